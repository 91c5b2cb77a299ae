"""Fresh ids are random UUIDs of version 4."""

from __future__ import annotations

import os
import uuid

from parley.base.ids import is_uuid, new_uuid


def test_ids_are_random_uuids_in_their_usual_form() -> None:
    made = {new_uuid() for _ in range(1_000)}
    assert len(made) == 1_000
    for text in made:
        read = uuid.UUID(text)
        assert (read.version, read.variant, str(read)) == (4, uuid.RFC_4122, text)
        assert is_uuid(text)


def test_a_child_process_makes_ids_of_its_own() -> None:
    new_uuid()  # so that random bits are left over
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_uuid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 64).decode() not in {new_uuid() for _ in range(200)}
    os.close(read)
    os.close(write)
