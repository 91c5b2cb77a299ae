"""The command line: `parley serve | doctor | migrate | keys | demo | join | version`."""

from __future__ import annotations

import sys
from typing import Any

import click
import uvloop

from parley import __version__
from parley.accounts import service as accounts
from parley.base.errors import ParleyError
from parley.base.settings import Settings
from parley.meetings.tokens import ParticipantTokens
from parley.server.app import open_store
from parley.server.demo import KINDS, Demo
from parley.server.doctor import examine
from parley.server.keys import keys_group
from parley.server.logs import configure_logs
from parley.server.options import STORE_OPTIONS, print_json, setting_options
from parley.server.serve import public_url, serve
from parley.store.schema import migrate, pending_migrations


def _join_command() -> click.Command:
    from parley.headless.run import join_command  # brings a media stack of 27 MB

    return join_command


LATE = {"join": _join_command}
"""Commands whose modules are loaded only when somebody asks for them."""


class ParleyGroup(click.Group):
    """Prints our errors as one sentence, and loads some commands late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *LATE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name in LATE and cmd_name not in self.commands:
            self.add_command(LATE[cmd_name]())
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a `ParleyError` ends it with status 1."""
        try:
            return super().invoke(ctx)
        except ParleyError as failed:
            click.echo(f"Error: {failed.message}", err=True)
            sys.exit(1)


@click.group(cls=ParleyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="parley")
def main() -> None:
    """Meetings, chat and live media on your own server.

    `parley serve` starts everything. Every option can also be given as an environment variable, which the
    help of each command names.
    """


@main.command("serve")
@setting_options()
def serve_command(**options: Any) -> None:
    """Start the server and print where to open it."""
    settings = Settings(**options)
    configure_logs(settings.log_level, as_json=settings.log_json)
    uvloop.run(serve(settings))


@main.command("doctor")
@setting_options()
def doctor_command(**options: Any) -> None:
    """Check everything a call needs, and say what would stop it."""
    settings = Settings(**options)
    configure_logs("error", as_json=False)
    findings = uvloop.run(examine(settings))
    for finding in findings:
        mark = {"good": "ok  ", "note": "note", "bad": "FAIL"}[finding.grade]
        click.echo(f"{mark}  {finding.subject:<18} {finding.sentence}")
    if any(finding.grade == "bad" for finding in findings):
        sys.exit(1)


@main.command("migrate")
@setting_options(*STORE_OPTIONS)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def migrate_command(dry_run: bool, **options: Any) -> None:
    """Bring the database to this version's schema (`serve` does so by itself)."""
    settings = Settings(**options)
    configure_logs("error", as_json=False)
    settings.make_folder()
    pending = uvloop.run(pending_migrations(settings.database))
    if not pending:
        click.echo("The database is up to date.")
        return
    click.echo(f"{'Pending' if dry_run else 'Applying'}: {', '.join(pending)}")
    if not dry_run:
        uvloop.run(migrate(settings.database))
        click.echo("Done.")


main.add_command(keys_group)


@main.command("demo")
@setting_options(*STORE_OPTIONS, "public_url", "host", "port", "tls")
@click.option("--title", default="Demo meeting", show_default=True, help="How the meeting is called.")
@click.option(
    "--kind",
    type=click.Choice(sorted(KINDS)),
    default="group_call",
    show_default=True,
    help="Everybody talks, or a stage and an audience.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def demo_command(title: str, kind: str, as_json: bool, **options: Any) -> None:
    """Create a meeting and print a join link for each role.

    The links open while `parley serve` runs on the same data.
    """
    settings = Settings(**options)

    async def work() -> Any:
        store = await open_store(settings)
        try:
            scope, _ = await accounts.ensure_organization(store)
            return await Demo(scope, await ParticipantTokens.of_store(store)).create(title, kind)
        finally:
            await store.database.close()

    configure_logs("error", as_json=False)
    made = uvloop.run(work())
    url = public_url(settings, settings.port)
    if as_json:
        print_json(
            {
                "meeting_id": made.id,
                "title": made.title,
                "links": [
                    {
                        "role": link.role,
                        "preset": link.preset,
                        "token": link.token,
                        "url": f"{url}/meet#token={link.token}",
                    }
                    for link in made.links
                ],
            }
        )
        return
    for link in made.links:
        click.echo(f"{link.role:<12}  {url}/meet#token={link.token}")


@main.command("version")
def version_command() -> None:
    """Print the version."""
    click.echo(f"parley {__version__}")
