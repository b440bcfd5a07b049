"""The parts of an estimate: output and input. Each is a range in USD with its arithmetic in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Literal

from atelier.providers.core.sizes import parse_size
from atelier.providers.core.types import ImageRequest, Model
from atelier.providers.pricing.price_table import Cell, Figure, Figures, Price, Rates

Basis = Literal["free", "flat", "grid", "tokens", "credits", "megapixels", "quoted"]

SQUARE = "1024x1024"
"""The assumed size where the vendor chooses one, and for the hint where sizes are free."""
MEGAPIXEL = 1024**2
CREDIT = Decimal("0.01")
"""USD; Stability's and Black Forest Labs' (their documents of 2026)."""
ROUNDING = Decimal("0.001")
"""The unit to which vendors round a price per image."""
MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Amount:
    """Lowest, likely and highest USD, with the entries that it follows from."""

    low: Decimal
    likely: Decimal
    high: Decimal
    words: str = ""
    used: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    basis: Basis = "flat"


def sure(usd: Decimal, words: str, *used: Figure, basis: Basis = "flat") -> Amount:
    """Return an amount without a range."""
    return Amount(usd, usd, usd, words, used, basis=basis)


def output(own: Figures, model: Model, cell: Cell, request: ImageRequest, count: int) -> Amount | None:
    """Return the cost of `count` images with the options of the cell; None when no price is known."""
    row, tokens = None, None
    for entry in own.rows:
        if row is None and entry.unit != "per_source" and entry.covers(cell):
            row = entry
    for entry in own.tokens:
        if tokens is None and entry.of == "output" and entry.covers(cell):
            tokens = entry
    size = (model.pixels.get(cell.size) or parse_size(cell.size)) if cell.size else None
    by_tokens, counts = None, None
    if tokens and tokens.grid is None:
        counts = (count * tokens.lowest, count * tokens.likely, count * tokens.highest)
    elif tokens and tokens.grid and size:
        exact, (low, high) = output_tokens(tokens.grid, *size, count), tokens.times
        counts = (low * exact, high * exact, high * exact)
    if tokens and counts and own.rates:
        by_tokens = _range(own.rates[0].image_output, counts, "output tokens", own.rates[0], tokens)
    if row is None:
        return by_tokens
    if row.unit == "per_megapixel":
        return _megapixels(row, model, size, request, count)
    if row.unit == "per_call":
        calls = -(-count // model.max_count)
        return sure(row.usd * calls, f"{calls} x {dollars(row.usd)} a call of {model.max_count} images", row)
    return _priced(row, by_tokens, count)


def _priced(row: Price, by_tokens: Amount | None, count: int) -> Amount:
    """Return the cost at a price per image. A different cost by the vendor's tokens is the other end of the range."""
    usd, times = row.usd * count, f"{count} x " if count > 1 else ""
    if row.unit == "credits":
        return sure(usd, f"{times}{(row.usd / CREDIT).normalize():f} credits x {dollars(CREDIT)}", row, basis="credits")
    if not usd:
        return sure(usd, "free", row, basis="free")
    found = sure(usd, f"{times}{dollars(row.usd)} an image", row, basis="flat" if row.cell == Cell() else "grid")
    if by_tokens is None or abs(by_tokens.likely - usd) <= ROUNDING * count:
        return found
    note = f"by its tokens, which the vendor counts, an image costs {dollars(by_tokens.likely / count)}"
    low, high = min(usd, by_tokens.likely), max(usd, by_tokens.likely)
    return replace(found, low=low, high=high, used=(row, *by_tokens.used), notes=(note,))


def _megapixels(row: Price, model: Model, size: tuple[int, int] | None, request: ImageRequest, count: int) -> Amount:
    """Return the cost of the first megapixel of an image and of each further one, sources included, rounded up.

    The vendor does not publish how it rounds: the low end counts fractions. A picture without a size of its own is as
    large as its first source. An editing tool, which has no sizes, bills that one picture once.
    """
    assert row.usd_further is not None
    sources, rule = request.sources, model.size_rule
    notes = list[str]()
    if size is None and sources:
        made = Fraction(sources[0].width * sources[0].height, MEGAPIXEL)
        made = min(made, Fraction(rule.max_pixels, MEGAPIXEL)) if rule else made
        notes.append("the image is taken to be as large as its source")
    else:
        made = Fraction(size[0] * size[1], MEGAPIXEL) if size else Fraction(1)
    if size is None and not sources:
        notes.append("1 megapixel is taken where no size is given")
    given = [Fraction(source.width * source.height, MEGAPIXEL) for source in sources] if rule else []
    whole = max(-(-made // 1), 1) - 1 + sum(max(-(-each // 1), 1) for each in given)
    parts = max(made - 1, Fraction(0)) + sum(given, Fraction(0))
    exact = (Decimal(parts.numerator) / Decimal(parts.denominator)).quantize(Decimal("0.0001"), ROUND_DOWN).normalize()
    low, high = ((count * (row.usd + further * row.usd_further)).normalize() for further in (exact, Decimal(whole)))
    words = f"{dollars(row.usd)} the first megapixel" + (f" + {whole} x {dollars(row.usd_further)}" if whole else "")
    words = f"{count} x ({words})" if count > 1 else words
    return Amount(low, high, high, words, (row,), tuple(notes), "megapixels")


def sources_at_a_price(own: Figures, model: Model, request: ImageRequest, count: int) -> Iterable[Amount]:
    """Yield the cost per source image. Whether it is billed once per call or per image is not published."""
    given = len(request.sources)
    row = next((row for row in own.rows if row.unit == "per_source"), None)
    if row and given:
        calls, each = -(-count // model.max_count), given * row.usd
        times = f"{count} x " if count > 1 else ""
        words = f"{times}{given} source image{'s' if given > 1 else ''} x {dollars(row.usd)}"
        yield Amount(calls * each, count * each, count * each, words, (row,))


def prompt(own: Figures, rates: Rates, request: ImageRequest, count: int) -> Iterable[Amount]:
    """Yield the cost of the prompt, which is billed for each image (OpenAI by a third party, 2026-05)."""
    if not request.prompt:
        yield replace(sure(Decimal(0), ""), notes=("the prompt is not counted, since there is none",))
        return
    added = next((row for row in own.tokens if row.of == "prompt"), None)
    per_source = next((row.text for row in own.tokens if row.of == "source"), 0)
    tokens = prompt_tokens(request.prompt) + (added.likely if added else 0) + per_source * len(request.sources)
    total = count * tokens
    found = _range(rates.text_input, (total, total, total), "text tokens", rates, *([added] if added else []))
    yield replace(found, notes=("text tokens are the prompt's bytes / 4",))


def sources_in_tokens(own: Figures, rates: Rates, request: ImageRequest, count: int) -> Iterable[Amount]:
    """Yield the cost of the source images, unless they have a price each."""
    row = next((row for row in own.tokens if row.of == "source"), None)
    if row is None or not request.sources or any(price.unit == "per_source" for price in own.rows):
        return
    each = [row.likely] * len(request.sources)
    if row.rule == "patches":
        each = [patch_tokens(source.width, source.height) for source in request.sources]
    elif row.rule == "tiles":
        high = request.options.get("input_fidelity") == "high"
        each = [tile_tokens(source.width, source.height, high_fidelity=high) for source in request.sources]
    total = count * sum(each)
    yield _range(rates.image_input, (total, total, total), "source image tokens", rates, row)


def more_output(own: Figures, rates: Rates, request: ImageRequest, count: int) -> Iterable[Amount]:
    """Yield the cost of partial images, of which fewer may come, and of text and thoughts."""
    partials = request.options.get("partial_images")
    for row in own.tokens:
        if row.of == "partial" and isinstance(partials, int) and partials > 0:
            high = count * partials * row.likely
            yield _range(rates.image_output, (0, high, high), "tokens of partial images", rates, row)
        if row.of in ("text", "thought") and rates.text_output is not None:
            counts = (count * row.lowest, count * row.likely, count * row.highest)
            yield _range(rates.text_output, counts, f"{row.of} tokens", rates, row)


def _range(rate: Decimal, counts: tuple[int, int, int], what: str, *used: Figure) -> Amount:
    """Return the cost of tokens at a rate: lowest, likely, highest."""
    low, likely, high = counts
    words = f"{likely:,} {what} x ${rate.normalize():f} per million" if likely else ""
    each = rate / MILLION
    return Amount(low * each, likely * each, high * each, words, used, basis="tokens")


def least_to_most(amounts: Sequence[Amount]) -> Amount:
    """Return one range over several amounts, the first of which is the likely one."""
    used = dict.fromkeys(figure for amount in amounts for figure in amount.used)
    return replace(
        amounts[0],
        low=min(amount.low for amount in amounts),
        high=max(amount.high for amount in amounts),
        used=tuple(used),
    )


def tiers(model: Model) -> tuple[str, ...]:
    """Return the resolutions with prices of their own; where sizes are free, a resolution only names a size."""
    return () if model.size_rule else model.resolutions


def dollars(usd: Decimal) -> str:
    """`$0.034`, without exponent and trailing zeros."""
    return f"${usd.normalize():f}"


PATCH, MAX_PATCHES = 32, 1536
BYTES_PER_TOKEN = 4


def output_tokens(grid: int, width: int, height: int, count: int = 1) -> int:
    """OpenAI's output tokens of `count` pictures, GPT Image 2 and later; `grid` goes with the quality.

    Found on the vendor's forum in 2026-05; it reproduces every figure of the vendor's calculator that was seen.
    """
    long, short = max(width, height), min(width, height)
    cells = grid * ((2 * grid * short + long) // (2 * long))
    return -(-count * cells * (2_000_000 + width * height) // 4_000_000)


def patch_tokens(width: int, height: int) -> int:
    """OpenAI's tokens of a source picture, GPT Image 2 and later: patches of 32 px, after fitting into 1536 of them."""
    whole = -(-width // PATCH) * -(-height // PATCH)
    if whole <= MAX_PATCHES:
        return whole
    across, down = math.isqrt(MAX_PATCHES * width // height), math.isqrt(MAX_PATCHES * height // width)
    if across * height <= down * width:
        down = -(-across * height // width)
    else:
        across = -(-down * width // height)
    return min(max(across, 1) * max(down, 1), MAX_PATCHES)


def tile_tokens(width: int, height: int, *, high_fidelity: bool = False) -> int:
    """The same of GPT Image 1: 65, and 129 a tile of 512 px when the short side is one; more at high fidelity."""
    long, short = max(width, height), min(width, height)
    faithful = (4160 if long == short else 6240) if high_fidelity else 0
    return 65 + 129 * -(-long // short) + faithful


def prompt_tokens(text: str) -> int:
    """Return about how many tokens a prompt has: four bytes each, since no vendor publishes its count."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def usd(amount: Decimal) -> str:
    """Return an amount as text, such as `$0.04`, with more digits for a small one."""
    if amount == 0:
        return "$0"
    if amount == round(amount, 2):
        return f"${amount:.2f}"
    return f"${amount:.4f}" if amount >= Decimal("0.0001") else f"${amount:.2g}"


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of amounts; None if one is not known."""
    found = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        found += amount
    return found
