"""The command line as a shell meets it: completion, a slip of the finger, what to type next."""

import difflib

import click
from click.shell_completion import CompletionItem, get_completion_class

from credix.cli.help import COMMAND, EXIT_CODES, PROGRAM, examples, sections
from credix.core.contracts import source_names
from credix.core.errors import BusyError, CredixError, SettingsError, StateError, StepError
from credix.core.jobs import all_jobs

VARIABLE = "_RUN_PIPELINE_PY_COMPLETE"
# The first class that fits says what to type, unless the error does so itself.
NEXT = (
    (BusyError, f"{COMMAND} status, which names the run that holds it"),
    (SettingsError, f"{COMMAND} doctor, which checks all that a run needs"),
    (StateError, f"{COMMAND} status, which reads the states"),
    (StepError, f"{COMMAND} runs --open, which leads to the notebook and cell"),
    (CredixError, f"{COMMAND} doctor, which checks all that a run needs"),
)


class Commands(click.Group):
    """Without a command the job `full` runs; the name of a job runs that job."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wants_help = any(argument in ("--help", "-h") for argument in args[:1])
        is_run = not args or args[0].startswith("-") or self._is_job(args[0])
        # While a shell completes, an empty line is no run yet.
        if is_run and not wants_help and not (ctx.resilient_parsing and not args):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def _is_job(self, word: str) -> bool:
        return word not in self.commands and word in all_jobs()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by what they are for, each with its whole first sentence."""
        for title, names in sections(self.list_commands(ctx)).items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(1000)) for name in names]
                )
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and, since their names run them, jobs."""
        jobs = [CompletionItem(job) for job in all_jobs() if job.startswith(incomplete)]
        return [*super().shell_complete(ctx, incomplete), *jobs]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], [*self.commands, *all_jobs()], n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"{error.message.rstrip('.')}.{hint}", ctx) from None


def complete_job(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [job for job in all_jobs() if job.startswith(incomplete)]


def complete_source(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in source_names() if name.startswith(incomplete)]


def next_command(error: CredixError) -> str | None:
    """Return what to type after this error; None where its own text says so."""
    if COMMAND in str(error):
        return None
    return next(command for kind, command in NEXT if isinstance(error, kind))


@click.command(
    epilog=examples(
        ("completion bash", "in ~/.bashrc, within eval"),
        ("completion zsh", "in ~/.zshrc"),
        ("completion fish", "in ~/.config/fish/config.fish"),
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands: eval "$(./run_pipeline.py completion bash)"."""
    kind = get_completion_class(shell)
    if kind:
        click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())


COMMANDS = (completion,)
