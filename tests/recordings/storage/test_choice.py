"""A configuration that cannot be right is refused before anything is sent."""

from __future__ import annotations

import pytest

from parley.recordings.storage.azure import connection_string
from parley.recordings.storage.choice import target_of
from parley.recordings.storage.errors import Hopeless
from parley.recordings.storage.s3 import storage
from parley.recordings.storage.target import Rules, clean_path

AWS = {"type": "aws", "bucket": "calls", "region": "eu-west-1", "access_key": "key", "secret": "secret"}
AZURE = {"type": "azure", "bucket": "calls", "access_key": "AccountName=acme;AccountKey=a2V5"}
SFTP = {"type": "sftp", "host": "files.example.org", "username": "ann", "password": "x"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"type": "ftp"}, "not a type of storage"),
        ({**AWS, "bucket": ""}, "“bucket” of the storage is missing"),
        ({**AWS, "bucket": "a/../b"}, "cannot be the name of a bucket"),
        ({**AWS, "secret": None}, "“secret” of the storage is missing"),
        ({**AWS, "region": "x@127.0.0.1:80/"}, "cannot be the region"),
        ({**AWS, "region": "eu-west-1.example.org"}, "cannot be the region"),
        ({**AWS, "path": "../outside"}, "must not contain “..”"),
        ({**AWS, "path": "a\nb"}, "control characters"),
        ({**AWS, "type": "cloudflare"}, "“account_id” of the storage is missing"),
        ({**AWS, "type": "cloudflare", "account_id": "a.b"}, "cannot be the account id"),
        ({**AZURE, "access_key": "a key alone"}, "must be a connection string"),
        ({**AZURE, "access_key": "UseDevelopmentStorage=true"}, "must be a connection string"),
        ({**AZURE, "access_key": "AccountKey=a2V5"}, "“AccountName” of the storage is missing"),
        (
            {**AZURE, "access_key": "BlobEndpoint=http://a.example.org;AccountKey=a2V5"},
            "begins with https://",
        ),
        (
            {**AZURE, "access_key": "AccountName=a;EndpointSuffix=b@127.0.0.1/;AccountKey=a2V5"},
            "begins with https://",
        ),
        ({"type": "gcs", "bucket": "calls", "secret": "{}"}, "JSON key file"),
        (
            {
                "type": "gcs",
                "bucket": "calls",
                "secret": '{"client_email": "a@b", "private_key": "x", "private_key_id": "1"}',
            },
            "JSON key file",
        ),
        ({**SFTP, "host": "a b"}, "not the name of a host"),
        ({**SFTP, "port": 70_000}, "between 1 and 65535"),
        ({**SFTP, "password": ""}, "“password” of the storage is missing"),
        ({**SFTP, "auth_method": "KEY"}, "“private_key” of the storage is missing"),
    ],
)
def test_what_is_wrong_is_named(config, words):
    with pytest.raises(Hopeless, match=words):
        target_of(config)


@pytest.mark.parametrize(
    ("config", "endpoint"),
    [
        (AWS, "https://s3.eu-west-1.amazonaws.com"),
        ({**AWS, "region": "cn-north-1"}, "https://s3.cn-north-1.amazonaws.com.cn"),
        ({**AWS, "type": "digitalocean", "region": "fra1"}, "https://fra1.digitaloceanspaces.com"),
        ({**AWS, "type": "cloudflare", "account_id": "0f"}, "https://0f.r2.cloudflarestorage.com"),
    ],
)
def test_each_provider_has_its_address(config, endpoint):
    made = storage(config, Rules())
    assert made.policy is not None
    assert made.make({}).config["endpoint"] == endpoint


def test_tokens_in_the_environment_of_the_server_are_not_the_customers(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the server")
    provider = storage(AWS, Rules()).make({}).credential_provider
    assert provider()["token"] is None


def test_a_connection_string_is_read_as_microsoft_writes_it():
    text = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5PT0=;EndpointSuffix=example.net;"
    assert connection_string(text) == {
        "defaultendpointsprotocol": "https",
        "accountname": "acme",
        "accountkey": "a2V5PT0=",
        "endpointsuffix": "example.net",
    }


def test_paths_lose_what_says_nothing():
    assert clean_path("/a//./b/") == "a/b"
    assert clean_path("/a//b/", may_be_absolute=True) == "/a/b"
    assert clean_path("/", may_be_absolute=True) == "/"
    assert clean_path("") == ""
