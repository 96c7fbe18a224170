"""A model card on a terminal."""

from distrnn.cli.markdown import plain

CARD = """---
license: mit
metrics:
  accuracy: 0.9
---

# reviews #

Judges **reviews**, see [the paper](https://example.org/a "title").


## Figures

- `accuracy`: 0.9
![curve](curve.png)

```
# not a **heading**
```
1 * 2 * 3 and snake__case__name
"""


def test_marks_go_and_words_stay():
    assert plain(CARD) == (
        "license: mit\nmetrics:\n  accuracy: 0.9\n\nreviews\n\nJudges reviews, see the paper (https://example.org/a).\n\n"
        "Figures\n\n- accuracy: 0.9\ncurve (curve.png)\n\n# not a **heading**\n1 * 2 * 3 and snake__case__name"
    )


def test_text_without_marks_is_left_alone():
    assert plain("One line.\nAnother, 2 * 3.") == "One line.\nAnother, 2 * 3."


def test_what_was_escaped_is_what_was_meant():
    assert (
        plain(r"\*\*not bold\*\* \[no\](link) a &amp; b \`x\` http:\//e.org `\*`") == r"**not bold** [no](link) a & b `x` http://e.org \*"
    )


def test_rule_in_the_text_is_no_front_matter():
    assert plain("a\n\n---\nb\n---\n") == "a\n\n---\nb\n---"


def test_nothing():
    assert plain("") == ""
