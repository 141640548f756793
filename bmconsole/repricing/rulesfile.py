"""`rules.toml`: reading it, and in which markets a VAT scheme holds where a cost names none."""

from pathlib import Path

from bmconsole.errors import SettingsError
from bmconsole.paths import Paths
from bmconsole.pricing.rules import BUILT_IN, parse
from bmconsole.pricing.values import Rules
from bmconsole.profile import Profile


def rules_path(paths: Paths) -> Path:
    """Return where the rules are, beside `config.toml`."""
    return paths.config / "rules.toml"


def read_rules(paths: Paths) -> Rules:
    """Return the rules of `rules.toml`, the built-in ones where there is no file.

    Raises:
        SettingsError: It cannot be read, or says something that cannot be: with file and line.
    """
    path = rules_path(paths)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return BUILT_IN
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start}).", field="rules") from None
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror or error}.", field="rules") from None
    return parse(text, name=str(path))


def markets_with_vat(profile: Profile, paths: Paths) -> frozenset[str]:
    """Return the markets in which the settings or the rules set a VAT scheme; raises as `read_rules`."""
    if profile.vat is not None:
        return frozenset(profile.markets)
    said = read_rules(paths).markets
    everywhere = said.get("")
    if everywhere is not None and everywhere.vat is not None:
        return frozenset(profile.markets)
    return frozenset(market for market in profile.markets if market in said and said[market].vat is not None)
