"""The command behind scripts/voice: every prompt of this city's kiosk as a file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware.compose.telling import texts
from firmware.errors import ConfigError
from firmware.screen.prompts import prompts
from firmware.screen.render_voice import render
from firmware.settings import load


def main(arguments: Sequence[str] | None = None) -> int:
    """0 with all files and their manifest, 78 for a configuration or a voice that is not as expected."""
    parser = argparse.ArgumentParser(prog="scripts/voice", description="Makes every prompt a file.")
    parser.add_argument("--config", type=Path, default=Path("config/kiosk.toml"), metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    wanted = parser.parse_args(arguments)
    try:
        settings = load(wanted.config)
        words = texts(settings)
        told = [
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
        clips = render(told, wanted.out)
    except ConfigError as error:
        sys.stderr.write(f"voice: {error}\n")
        return 78
    minutes = sum(clip.seconds for clip in clips) / 60
    languages = len({clip.language for clip in clips if clip.language})
    sys.stdout.write(f"{len(clips)} files, {minutes:.0f} minutes, {languages} languages: {wanted.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
