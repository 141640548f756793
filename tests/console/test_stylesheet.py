"""The stylesheet parses a source once for the colours that there are, and anew for others."""

from textual.color import Color

from bmconsole.console.stylesheet import SteadyStylesheet

MANY = 150
"""More sources than Textual keeps parsed."""


def sheet() -> SteadyStylesheet:
    made = SteadyStylesheet(variables={"ink": "#112233"})
    for number in range(MANY):
        made.add_source(f"Kind{number} {{ color: $ink; }}", read_from=("", f"Kind{number}"))
    made.parse()
    return made


def test_what_is_parsed_stays_with_new_sources_and_with_the_same_colours() -> None:
    styles = sheet()
    first = list(styles.rules)
    styles.add_source("Another { color: $ink; }", read_from=("", "Another"))
    styles.parse()
    styles.set_variables({"ink": "#112233"})
    styles.reparse()
    assert len(styles.rules) == MANY + 1
    assert all(rule is before for rule, before in zip(styles.rules, first, strict=False))


def test_other_colours_are_in_force_at_once() -> None:
    styles = sheet()
    styles.set_variables({"ink": "#445566"})
    styles.reparse()
    assert {rule.styles.color for rule in styles.rules} == {Color.parse("#445566")}
