"""Demo rows of installments: invoices in monthly installments, paid as their company pays."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix_local.demo.columns import pick, positions
from credix_local.demo.companies import HISTORY_DAYS
from credix_local.demo.dirt import INSTALLMENT_FAULTS, draw_faults
from credix_local.demo.identifiers import company_roots, tax_numbers, uuids
from credix_local.demo.payers import NO_HISTORY, PAUSE_MULTIPLIER, payer_kinds, place, traits

# How many installments an invoice has, and how often.
TERMS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
TERM_SHARES = np.array([0.30, 0.18, 0.18, 0.08, 0.05, 0.08, 0.01, 0.02, 0.01, 0.04, 0.01, 0.04])
METHODS = ("BOLETO", "PIX", "TED", "CARD")
METHOD_SHARES = np.array([0.62, 0.22, 0.06, 0.10])

# An invoice's total in cents is log-normal around this median.
MEDIAN_TOTAL_IN_CENTS, TOTAL_SIGMA = 300_000, 1.5
SMALLEST_INSTALLMENT_IN_CENTS = 500
# How much companies differ in what they buy: their number of invoices is log-normal too.
WEIGHT_SIGMA = 1.0
# A company buys during this many days; many have stopped since, some of them long ago.
ACTIVE_DAYS = 500
LONGEST_PAUSE_DAYS = HISTORY_DAYS - ACTIVE_DAYS
PREPAYMENT_DAYS = 3
# What many late payers owe on top: a fine of 2 %, and interest of 1 % a month.
INTEREST_SHARE = 0.4
FINE, DAILY_INTEREST = 0.02, 0.01 / 30
SMALLEST_PARTIAL_PAYMENT = 0.5


@dataclass(frozen=True)
class Buyers:
    """Companies that buy, as columns of equal length; `strangers` have no row in cnpj_ws."""

    tax_number: pa.StringArray
    kind: np.ndarray
    pause: np.ndarray
    cumulative_weight: np.ndarray
    strangers: pa.StringArray


@dataclass(frozen=True)
class Invoices:
    """Invoices as columns: position of the buyer, day of issue, number of installments."""

    buyer: np.ndarray
    issued: np.ndarray
    terms: np.ndarray


def demo_buyers(seed: int, companies: int) -> Buyers:
    """Return the companies of the demo data that have a history.

    Raises SettingsError without any.
    """
    if companies < 1:
        raise SettingsError("Installments need a company that owes them: ask for one or more.")
    roots = company_roots(seed, np.arange(companies, dtype=np.int64))
    has_history = payer_kinds(roots) != NO_HISTORY
    strangers = np.arange(companies, companies + 3 + companies // 200, dtype=np.int64)
    random = np.random.default_rng([seed, companies])
    return build_buyers(
        random, roots[has_history] if has_history.any() else roots, company_roots(seed, strangers)
    )


def build_buyers(random: np.random.Generator, roots: np.ndarray, strangers: np.ndarray) -> Buyers:
    weight = random.lognormal(0.0, WEIGHT_SIGMA, len(roots))
    pause = place(roots, PAUSE_MULTIPLIER) ** 2 * LONGEST_PAUSE_DAYS
    return Buyers(
        tax_number=tax_numbers(roots),
        kind=payer_kinds(roots),
        pause=pause.astype(np.int64),
        cumulative_weight=np.cumsum(weight / weight.sum()),
        strangers=tax_numbers(strangers),
    )


def draw_history(
    random: np.random.Generator, buyers: Buyers, first: int, count: int, today: date
) -> Invoices:
    """Return invoices `first` to `first + count` of the past.

    The first ones give each buyer one.
    """
    drawn = np.searchsorted(buyers.cumulative_weight, random.random(count), side="right")
    buyer = np.minimum(drawn, len(buyers.kind) - 1)
    number = np.arange(first, first + count)
    buyer = np.where(number < len(buyers.kind), number, buyer)
    days_ago = buyers.pause[buyer] + random.integers(0, ACTIVE_DAYS, count)
    return Invoices(buyer, np.datetime64(today, "D") - days_ago, draw_terms(random, count))


def draw_terms(random: np.random.Generator, count: int) -> np.ndarray:
    return random.choice(TERMS, count, p=TERM_SHARES)


def fit(invoices: Invoices, installments: int) -> Invoices:
    """Return the first invoices that make up so many installments.

    The last may get fewer of them.
    """
    ends = np.cumsum(invoices.terms)
    kept = int(np.searchsorted(ends, installments)) + 1
    if kept > len(ends):
        return invoices
    terms = invoices.terms[:kept].copy()
    terms[-1] -= ends[kept - 1] - installments
    return Invoices(invoices.buyer[:kept], invoices.issued[:kept], terms)


def build_installments(
    random: np.random.Generator,
    buyers: Buyers,
    invoices: Invoices,
    key_seed: int,
    first_invoice: int,
    first_installment: int,
    today: date,
) -> pa.RecordBatch:
    """The installments of all invoices, with what was paid until `today`, in contract columns.

    Keys come from `key_seed` and the running numbers of invoices and installments.
    """
    terms, count = invoices.terms, int(invoices.terms.sum())
    invoice = np.repeat(np.arange(len(terms)), terms)
    number = np.arange(count) - np.repeat(np.cumsum(terms) - terms, terms) + 1
    issued = invoices.issued[invoice]
    due = add_months(issued, number)
    expected = split_totals(random, terms, invoice, number)
    kind = buyers.kind[invoices.buyer][invoice]
    paid, days_late = draw_payment_days(random, kind, invoice, issued, due)
    is_paid = paid <= np.datetime64(today, "D")
    amount = draw_paid_amounts(random, kind, expected, days_late)

    faults = draw_faults(random, count, INSTALLMENT_FAULTS)
    expected = np.where(faults["negative_amount"], -expected, expected)
    columns = {
        "asset_id": uuids(key_seed, first_installment, count),
        "invoice_id": uuids(key_seed + 1, first_invoice, len(terms)).take(positions(invoice)),
        "buyer_tax_id": draw_tax_numbers(random, buyers, invoices.buyer[invoice], faults),
        "installment_number": pa.array(number),
        "installment_count": pa.array(terms[invoice]),
        "payment_method": pick(
            METHODS, random.choice(len(METHODS), len(terms), p=METHOD_SHARES)[invoice]
        ),
        "invoice_issue_date": pa.array(issued),
        "due_date": pa.array(due, mask=faults["missing_due_date"]),
        "paid_date": pa.array(paid, mask=~is_paid),
        "expected_amount_in_cents": pa.array(expected, mask=faults["missing_amount"]),
        "paid_amount_in_cents": pa.array(amount, mask=~is_paid),
    }
    schema = pa.schema([column.arrow for column in load_source("installments").columns])
    return pa.RecordBatch.from_pydict(columns, schema=schema)


def draw_tax_numbers(
    random: np.random.Generator, buyers: Buyers, buyer: np.ndarray, faults: dict[str, np.ndarray]
) -> pa.StringArray:
    known = buyers.tax_number.take(positions(buyer, faults["missing_buyer"]))
    is_unknown = faults["unknown_buyer"] & (len(buyers.strangers) > 0)
    if not is_unknown.any():
        return known
    picked = random.integers(0, len(buyers.strangers), int(is_unknown.sum()))
    found: pa.StringArray = pc.replace_with_mask(
        known, pa.array(is_unknown), buyers.strangers.take(positions(picked))
    )
    return found


def split_totals(
    random: np.random.Generator, terms: np.ndarray, invoice: np.ndarray, number: np.ndarray
) -> np.ndarray:
    """Amounts in cents: equal parts of each invoice's total, of which the last has the rest."""
    total = MEDIAN_TOTAL_IN_CENTS * random.lognormal(0.0, TOTAL_SIGMA, len(terms))
    total = np.maximum(total.astype(np.int64), SMALLEST_INSTALLMENT_IN_CENTS * terms)
    part, rest = total // terms, total % terms
    found: np.ndarray = part[invoice] + np.where(number == terms[invoice], rest[invoice], 0)
    return found


def draw_payment_days(
    random: np.random.Generator,
    kind: np.ndarray,
    invoice: np.ndarray,
    issued: np.ndarray,
    due: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The day each installment will be paid (NaT: never) and how many days after due that is.

    An invoice is prepaid as a whole, or each installment paid for itself.
    """
    count = len(kind)
    never = random.random(count) < traits("never")[kind]
    delay = traits("delay")[kind] + traits("spread")[kind] * random.standard_normal(count)
    days_late = np.rint(delay).astype(np.int64)
    is_first = np.concatenate(([True], invoice[1:] != invoice[:-1]))
    is_prepaid = random.random(int(is_first.sum())) < traits("prepaid")[kind[is_first]]
    by_invoice = issued + random.integers(0, PREPAYMENT_DAYS, count)
    paid = np.where(is_prepaid[invoice], by_invoice, np.maximum(issued, due + days_late))
    paid = np.where(never, np.datetime64("NaT", "D"), paid)
    return paid, np.where(is_prepaid[invoice], 0, days_late)


def draw_paid_amounts(
    random: np.random.Generator, kind: np.ndarray, expected: np.ndarray, days_late: np.ndarray
) -> np.ndarray:
    """Mostly what was expected; sometimes less, and from late payers often fine and interest."""
    drawn = random.random(len(kind))
    partial = traits("partial")[kind]
    share = SMALLEST_PARTIAL_PAYMENT + (1 - SMALLEST_PARTIAL_PAYMENT) * random.random(len(kind))
    owes_interest = (days_late > 0) & (drawn > 1 - INTEREST_SHARE)
    factor = np.where(owes_interest, 1 + FINE + DAILY_INTEREST * days_late, 1.0)
    found: np.ndarray = np.rint(expected * np.where(drawn < partial, share, factor)).astype(
        np.int64
    )
    return found


def add_months(days: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Return the same day so many months later, or the month's last where it is shorter."""
    month = days.astype("M8[M]")
    target = month + months
    last = (target + 1).astype("M8[D]") - 1
    found: np.ndarray = np.minimum(target.astype("M8[D]") + (days - month.astype("M8[D]")), last)
    return found
