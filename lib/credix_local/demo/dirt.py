"""Faults in demo rows: a small, known share for each rule that silver checks."""

import numpy as np

# Shares of cnpj_ws.
MISSING_CAPITAL_SHARE = 0.004
NEGATIVE_CAPITAL_SHARE = 0.002
INVALID_ZIP_CODE_SHARE = 0.006
MISSING_CNAE_SHARE = 0.005

# Shares of installments. An unknown buyer is no fault of the row: its company has no row (yet).
MISSING_AMOUNT_SHARE = 0.002
NEGATIVE_AMOUNT_SHARE = 0.001
MISSING_BUYER_SHARE = 0.001
MISSING_DUE_DATE_SHARE = 0.001
UNKNOWN_BUYER_SHARE = 0.002

COMPANY_FAULTS = {
    "missing_capital": MISSING_CAPITAL_SHARE,
    "negative_capital": NEGATIVE_CAPITAL_SHARE,
    "invalid_zip_code": INVALID_ZIP_CODE_SHARE,
    "missing_cnae": MISSING_CNAE_SHARE,
}
INSTALLMENT_FAULTS = {
    "missing_amount": MISSING_AMOUNT_SHARE,
    "negative_amount": NEGATIVE_AMOUNT_SHARE,
    "missing_buyer": MISSING_BUYER_SHARE,
    "missing_due_date": MISSING_DUE_DATE_SHARE,
    "unknown_buyer": UNKNOWN_BUYER_SHARE,
}


def draw_faults(
    random: np.random.Generator, count: int, shares: dict[str, float]
) -> dict[str, np.ndarray]:
    """For each fault a mask of the rows that have it; a row has one fault at most."""
    drawn = np.searchsorted(np.cumsum(list(shares.values())), random.random(count), side="right")
    return {name: drawn == position for position, name in enumerate(shares)}
