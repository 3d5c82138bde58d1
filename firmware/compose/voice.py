"""The command behind scripts/voice: every prompt of this city's kiosk as a file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware.compose.telling import texts
from firmware.core.terms import Language
from firmware.errors import ConfigError
from firmware.screen.clips import Clips
from firmware.screen.prompts import prompts
from firmware.screen.render_voice import render
from firmware.settings import Settings, load


def main(arguments: Sequence[str] | None = None) -> int:
    """0 with all files and their manifest, 78 for a configuration or a voice that is not as expected.

    With --check nothing is written: 0 if the files are all there and sound as they should, 1 if not.
    """
    parser = argparse.ArgumentParser(prog="scripts/voice", description="Makes every prompt a file.")
    parser.add_argument("--config", type=Path, default=Path("config/kiosk.toml"), metavar="FILE")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR")
    what.add_argument(
        "--check", type=Path, metavar="DIR", help="are all prompts there, and as they should be?"
    )
    wanted = parser.parse_args(arguments)
    try:
        settings = load(wanted.config)
        told = every_prompt(settings)
        if wanted.check is not None:
            return _check(Clips.read(wanted.check), told)
        clips = render(told, wanted.out)
    except ConfigError as error:
        sys.stderr.write(f"voice: {error}\n")
        return 78
    minutes = sum(clip.seconds for clip in clips) / 60
    languages = len({clip.language for clip in clips if clip.language})
    sys.stdout.write(f"{len(clips)} files, {minutes:.0f} minutes, {languages} languages: {wanted.out}\n")
    return 0


def every_prompt(settings: Settings) -> list[tuple[Language, str]]:
    """Of every language of this kiosk."""
    words = texts(settings)
    return [
        (language, prompt)
        for language in settings.rules.languages
        for prompt in prompts(
            words,
            language,
            fees_yen=[fee.yen for fee in settings.fees],
            coins_yen=sorted(settings.rules.denominations_yen),
            most_copies=settings.rules.most_copies,
        )
    ]


def _check(clips: Clips, told: Sequence[tuple[Language, str]]) -> int:
    faults = list(clips.faults(told))
    sys.stdout.write(
        "".join(f"{fault}\n" for fault in faults) or f"{len(told)} prompts are there and sound right\n"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
