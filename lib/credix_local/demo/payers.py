"""The hidden risk of a company: how it will pay, known to the demo data alone.

It is a function of the tax number alone, the same in numpy and in SQL, so that time can pass in a
source without anything being remembered about its companies.
"""

from dataclasses import dataclass

import numpy as np

from credix_local.demo.identifiers import root_sql

# A company's place between 0 and 1 is its root, times a multiplier, modulo this prime.
PRIME = 99_991
RISK_MULTIPLIER = 48_271
PAUSE_MULTIPLIER = 16_807


@dataclass(frozen=True)
class Payer:
    """How companies of one kind pay; shares are of installments, delays are days after due.

    `prepaid` is the share paid at once, `never` the share that stays open for good, `partial` the
    share of payments that are short, `per_day` the chance that an open, overdue installment is
    paid on a given day.
    """

    name: str
    share: float
    prepaid: float
    never: float
    delay: float
    spread: float
    partial: float
    per_day: float


# The names are the payment tiers that companies of the kind mostly end in.
PAYERS = (
    Payer("NO_HISTORY", 0.05, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5),
    Payer("EXCELLENT", 0.20, 0.50, 0.002, -3.0, 3.0, 0.01, 0.5),
    Payer("GOOD", 0.28, 0.25, 0.03, 6.0, 4.0, 0.02, 0.2),
    Payer("FAIR", 0.18, 0.10, 0.12, 15.0, 6.0, 0.04, 0.06),
    Payer("POOR", 0.14, 0.05, 0.29, 28.0, 10.0, 0.08, 0.03),
    Payer("HIGH_RISK", 0.15, 0.0, 0.65, 50.0, 20.0, 0.15, 0.01),
)
NO_HISTORY = 0
BOUNDS = np.cumsum([payer.share for payer in PAYERS])[:-1]


def payer_kinds(roots: np.ndarray) -> np.ndarray:
    """Return the index into PAYERS of each company, by the root of its tax number."""
    return np.searchsorted(BOUNDS, place(roots, RISK_MULTIPLIER), side="right")


def place(roots: np.ndarray, multiplier: int) -> np.ndarray:
    """Return a number from 0 to below 1, evenly spread over the roots."""
    return roots * multiplier % PRIME / PRIME


def traits(name: str) -> np.ndarray:
    """Return one field of all PAYERS, to be indexed by kind."""
    return np.array([getattr(payer, name) for payer in PAYERS])


def chance_sql(tax_number: str, field: str) -> str:
    """Return a CASE that gives a company's `field` of Payer.

    Numbers that are none pay as GOOD ones.
    """
    # mod() and not the operator: a percent sign would begin a parameter of the driver.
    spot = f"mod({root_sql(tax_number)} * {RISK_MULTIPLIER}, {PRIME})"
    branches = " ".join(
        f"WHEN {spot} < {bound * PRIME:.3f} THEN {getattr(payer, field)}"
        for bound, payer in zip(BOUNDS, PAYERS, strict=False)
    )
    default = getattr(next(payer for payer in PAYERS if payer.name == "GOOD"), field)
    return (
        f"CASE WHEN {tax_number} IS NULL OR {tax_number} !~ '^[0-9A-J]+$' THEN {default} "
        f"{branches} ELSE {getattr(PAYERS[-1], field)} END"
    )
