"""What the page on routing says around its tables."""

from __future__ import annotations

HEAD = """# Routing: what an accepted image costs

Written by `python -m tests.bench.routing_expected --report docs/routing.md`; nothing here is typed by hand.
Policy `{policy}`. **It is a simulation from published rates**: no engine was called. Figures in brackets are
95 % intervals.

{checks}

![Learning the rates, and where hybrid is the wrong choice](routing.png)

## How it decides

`streams/routing/expected/` is a policy beside the three of the first issue, which remain (`hybrid` is the
default). Those follow a table. This one asks after each picture: which step makes an accepted image cost
least from here?

1. **What is known beforehand.** A prompt has regions, characters, a script, critical digits and tags. They
   put it into one of twelve buckets. For each engine and bucket there is a rate: how often a picture passes
   the gate. It begins as the published figure and becomes what the results say, a Beta distribution with
   its uncertainty. What an engine shows in one bucket moves its others too. Old results fade slowly. Results
   that speak for another rate than the held one are added up, and when they say enough, only those count
   that came since they began to: so a change that nobody announced is noticed. An engine that is only asked
   after others failed sees awkward prompts; its results are weighed for that.
2. **What the last picture tells.** One prompt in two is taken for an awkward one. A far miss makes that
   likelier, a near miss less so: Bayes' rule, with the likelihoods of `expected.yaml`.
3. **What can be done.** Accept, draw again, ask another engine, set the words in true type, hand it to a
   person. Each has a price: dollars, our machine's time, the value of a second, a person's time, what is
   lost when words are set and not drawn, what a wrong picture costs when it goes out.
4. **The choice.** All ways to the end are looked at, at most four pictures deep, with what each picture
   would teach; the step with the least expected cost is taken. It is exact for the rates as they are held:
   a test compares it with a search of every history.
5. **Learning on purpose.** Now and then another engine is asked because it may be the better one (Thompson
   sampling). The full price of such a picture comes from a purse that holds a stated share of what was
   spent before, so the share is never overrun, not even for a moment.

`expected.yaml` has every number with its source, and a version. The same inputs give the same decision, and
`explaining.py` tells each with its numbers: prior, posterior and interval, each step's expected cost, the
choice, and whether it explored.
"""

LEARNING = """
## Does it learn?

{seeds} seeds. In each, five engines (those of the policy but {not_offered}, whose checkpoint is not at
hand) are better or worse than published, by hidden amounts, as a whole and in each bucket; 5,000 prompts
are drawn from `prompts/ai_posters.txt`. Beside the policy runs one who knows every hidden rate (the same
programme, with the truth in its table) on the same prompts with the same luck. The ratio is the policy's cost
of an accepted image over that one's, in dollars of the policy file: engines, our machines, waiting,
composing, wrong pictures, persons. Every prompt ends in an accepted image, at the latest by a person's hand.
In a second run, the rate of the engine that is asked most is halved at prompt 3,000, and nobody says so.

{windows}

{noticed}

No number of the policy was chosen on these seeds (that was done on seeds 1,001 to 1,029). Where the world is
not as the policy assumes, mean ratios of fewer seeds:

{worlds}
"""

CHANGES = """
### What looking out for changes was to bring

Version 1 of the policy let results fade four times as fast and looked out for nothing. Mean ratios, and of
the third window the seeds within 10 %; the first prediction was written before any of this was tried, the
second after it was tuned, before these seeds were run. Version 1 was measured when Gemini 3 Pro Image stood
at $0.134, not $0.1344.

{predictions}

One figure became worse. Where nothing changes, the worst seed is number {worst_seed} at {worst}; version 1's
worst was 1.060. An engine with bad luck in its first results is held for worse than it is and hardly asked
again, and neither fading nor an alarm makes up for results that nobody asks for.
"""

WAYS = """
### Is exploring worth it?

{count} seeds, prompts 1,001 to 3,000, the mean ratio. On the right, Ideogram is believed to get 40 % of texts
right and draws 93 % of all pictures right: an engine that nothing but a try can show to be good.

{ways}

Where engines are about as published, escalations try the others anyway. The share was chosen on three of
the tuning seeds. Seed 1 of this page was seen once before: it had shown an earlier sampling to miss the good
engine.
"""

COMPARED = """
## The policies, on the same prompts

{posters} prompts of `prompts/ai_posters.txt`, each {samples} times, the same luck for each policy and engine.
The three are decided by the product's own table and verdict. Rates are those of `expected.yaml` (arXiv
2505.05470, CVTG-2K and LongText, as its sources say), prices the registry's on 2026-11-22, with every
engine that has ended replaced by its successor, our machines at $3 a GPU hour and $0.05 a CPU hour.
Intervals are over resampled posters.

*Dollars* are hosted calls and our machines. The *whole cost* adds what the policy file holds against a
picture: waiting, composed words where drawn ones were ordered, a wrong picture that went out, and a person
where nothing was accepted. Seconds are those of the engines, one after the other; those of hosted ones are
assumed. Legibility is the simulated score; what no reader can judge counts as 0, unless we set it
ourselves.

{table}

Paired, each less `hybrid` on the same prompts:

{differences}

`expected` may ask any engine for any prompt; the three keep the first issue's choice by tag, and send what no
reader can judge to a hosted engine, and then to a person. Part of the difference is that freedom, not the
arithmetic.

Dollars per 1,000 accepted, and whole cost of 1,000, where the published figures leave room:

{settings}
"""

REGIME = """
## Where hybrid loses

On dollars alone hybrid loses to `local-first`, which composes what it cannot draw: type costs next to
nothing. What that is worth depends on whether words may as well be set over the picture, so it is turned
here from nothing to sixty cents, for all tags but `layout-only` (the right half of the figure). In whole
cost hybrid loses to local-first {crossing}.

{table}
"""

LIMITS = """
## What this does not show

- Published rates are of words on benchmarks, not of whole posters through our gate. How one becomes the other
  is an assumption (`together` in `expected.yaml`); both ends of it are in the table above. Rates and seconds
  marked `assumed` there were published by nobody.
- The prices of a person, a second, a wrong picture and a composed one are judgements. They are yours to set.
- How alike pictures of one prompt are: {evidence}.
  The uneven prompts above show what it costs to be wrong about that.
- One policy learns here from every result in order. Many workers see a table that is a little old.
- What looks out for changes takes one result to say nothing of the next. Two hundred variants of one awkward
  prompt look to it like an engine that became worse; a false alarm costs the engine's older results.
"""
