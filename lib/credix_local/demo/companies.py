"""Demo rows of cnpj_ws: companies spread over Brazil as its people are."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credix.core.column_types import TYPES
from credix.core.contracts import load_source
from credix_local.demo.columns import digit_strings, join, pick
from credix_local.demo.dirt import COMPANY_FAULTS, draw_faults
from credix_local.demo.identifiers import tax_numbers
from credix_local.demo.places import all_places

# Invoices reach this far back; companies were opened before, and their rows written since.
HISTORY_DAYS = 913
DAYS_BEFORE_FIRST_INVOICE = 30
AVERAGE_AGE_DAYS = 8 * 365
OLDEST_AGE_DAYS = 60 * 365
UNCHANGED_SHARE = 0.6

SIZES = ("MICRO", "SMALL", "MEDIUM", "LARGE")
SIZE_SHARES = (0.62, 0.25, 0.10, 0.03)
# Median share capital in BRL by size; capitals are log-normal around it.
MEDIAN_CAPITAL = np.array([10_000.0, 60_000.0, 500_000.0, 8_000_000.0])
CAPITAL_SIGMA = 1.1
STATUSES = ("ACTIVE", "SUSPENDED", "UNFIT", "CLOSED")
STATUS_SHARES = (0.90, 0.03, 0.04, 0.03)

SOLE_TRADER_SHARE = 0.25
MOBILE_SHARE = 0.7
# Neither mobile nor landline numbers begin so: no person has them.
MOBILE_PREFIX, LANDLINE_PREFIX = 90, 1

# Subclasses of CNAE 2.3 (IBGE) and a word that companies of the trade have in their name.
TRADES = {
    "0111302": "Agrícola",
    "0151201": "Agropecuária",
    "1091102": "Panificadora",
    "1412601": "Confecções",
    "1813001": "Gráfica",
    "2512800": "Esquadrias",
    "3101200": "Indústria de Móveis",
    "4120400": "Construtora",
    "4321500": "Instalações Elétricas",
    "4520001": "Oficina Mecânica",
    "4530703": "Autopeças",
    "4541206": "Motopeças",
    "4639701": "Atacado de Alimentos",
    "4649408": "Produtos de Limpeza",
    "4711302": "Supermercado",
    "4712100": "Mercearia",
    "4721102": "Padaria",
    "4744001": "Ferragens",
    "4744099": "Materiais de Construção",
    "4751201": "Informática",
    "4753900": "Eletrodomésticos",
    "4754701": "Móveis",
    "4761003": "Papelaria",
    "4771701": "Drogaria",
    "4772500": "Cosméticos",
    "4781400": "Modas",
    "4782201": "Calçados",
    "4930202": "Transportes",
    "5510801": "Hotel",
    "5611201": "Restaurante",
    "5611203": "Lanchonete",
    "6201501": "Sistemas",
    "6204000": "Tecnologia",
    "6920601": "Contabilidade",
    "7020400": "Consultoria",
    "7112000": "Engenharia",
    "7319002": "Promoções",
    "8121400": "Serviços de Limpeza",
    "8599604": "Treinamentos",
    "8630503": "Clínica Médica",
    "9602501": "Salão de Beleza",
}
PROPER_NAMES = (
    *("Aliança", "Alvorada", "Aurora", "Bandeirante", "Bela Vista", "Boa Esperança", "Bom Jesus"),
    *("Brasil Sul", "Central", "Cristal", "Das Flores", "Dois Irmãos", "Estrela d'Água"),
    *("Girassol", "Horizonte", "Ipê", "Itália", "Jatobá", "Júpiter", "Lírio", "Nova União"),
    *("Novo Tempo", "Paineira", "Pérola", "Pioneira", "Planalto", "Primavera", "Real", "Sabiá"),
    *("Santa Clara", "Santa Luzia", "São Bento", "São João", "São Jorge", "Serrana", "Sol & Mar"),
    *("Três Irmãs", "Tropical", "União", "Vale Verde", "Veneza", "Vitória-Régia"),
)
GIVEN_NAMES = (
    *("Adriana", "Ana", "Antônio", "Beatriz", "Caio", "Célia", "Davi", "Eduardo", "Fátima"),
    *("Francisco", "Gabriela", "Helena", "João", "José", "Júlia", "Luís", "Márcia", "Maria"),
    *("Paulo", "Rafael", "Raimundo", "Sônia", "Thaís", "Vinícius"),
)
FAMILY_NAMES = (
    *("Almeida", "Araújo", "Barbosa", "Batista", "Cardoso", "Carvalho", "Costa", "Dias"),
    *("Ferreira", "Gonçalves", "Lima", "Lopes", "Magalhães", "Martins", "Mendonça", "Moreira"),
    *("Nascimento", "Oliveira", "Pereira", "Ribeiro", "Rocha", "Santos", "Silva", "Souza"),
)


def build_companies(
    random: np.random.Generator, roots: np.ndarray, today: date, *, are_new: bool = False
) -> pa.RecordBatch:
    """Return one row per root in the contract's columns.

    Rows were written within the history before `today`; with `are_new` all on `today`, at
    00:00 UTC.
    """
    count = len(roots)
    faults = draw_faults(random, count, COMPANY_FAULTS)
    places = all_places()
    place = random.choice(len(places.city), count, p=places.chance)
    size = random.choice(len(SIZES), count, p=SIZE_SHARES)
    trade = random.integers(0, len(TRADES), count)
    created_at, updated_at = draw_times(random, count, today, are_new=are_new)
    columns = {
        "cnpj": tax_numbers(roots),
        "legal_name": draw_legal_names(random, size, trade),
        "email": join("contato@empresa", digit_strings(roots, 8), ".example.com"),
        "phone": draw_phones(random, places.area_code[place]),
        "company_size": pick(SIZES, size),
        "registration_status": pick(STATUSES, random.choice(len(STATUSES), count, p=STATUS_SHARES)),
        "main_cnae": pick(list(TRADES), trade, faults["missing_cnae"]),
        "share_capital": draw_capitals(random, size, faults),
        "zip_code": draw_zip_codes(random, place, faults["invalid_zip_code"]),
        "city": pick(places.city, place),
        "state": pick(places.state, place),
        "uf": pick(places.uf, place),
        "opening_date": draw_opening_dates(random, count, today),
        "created_at": created_at,
        "updated_at": updated_at,
    }
    schema = pa.schema([column.arrow for column in load_source("cnpj_ws").columns])
    return pa.RecordBatch.from_pydict(columns, schema=schema)


def draw_times(
    random: np.random.Generator, count: int, today: date, *, are_new: bool
) -> "tuple[pa.Array[Any], pa.Array[Any]]":
    """Return when rows were written first and last: never later than 00:00 UTC of `today`."""
    end = np.datetime64(today, "us").astype(np.int64)
    length = np.int64(HISTORY_DAYS) * 86_400_000_000
    created = np.full(count, end)
    updated = created
    if not are_new:
        created = end - (random.random(count) * length).astype(np.int64)
        later = created + (random.random(count) * (end - created)).astype(np.int64)
        updated = np.where(random.random(count) < UNCHANGED_SHARE, created, later)
    instant = TYPES["TIMESTAMP"].arrow
    return pa.array(created).cast(instant), pa.array(updated).cast(instant)


def draw_opening_dates(random: np.random.Generator, count: int, today: date) -> "pa.Array[Any]":
    age = np.minimum(random.exponential(AVERAGE_AGE_DAYS, count), OLDEST_AGE_DAYS).astype(np.int64)
    latest = np.datetime64(today, "D") - HISTORY_DAYS - DAYS_BEFORE_FIRST_INVOICE
    return pa.array(latest - age)


def draw_legal_names(
    random: np.random.Generator, size: np.ndarray, trade: np.ndarray
) -> pa.StringArray:
    """A person's name for some of the micro companies, a trade and a proper name for others."""
    count = len(size)

    def some(names: tuple[str, ...]) -> "pa.Array[Any]":
        return pick(names, random.integers(0, len(names), count))

    person = join(some(GIVEN_NAMES), " ", some(FAMILY_NAMES), " ", some(FAMILY_NAMES))
    form = pick((" Ltda", " S.A."), (size == SIZES.index("LARGE")).astype(np.int64))
    company = join(pick(list(TRADES.values()), trade), " ", some(PROPER_NAMES), form)
    is_person = (size == SIZES.index("MICRO")) & (random.random(count) < SOLE_TRADER_SHARE)
    found: pa.StringArray = pc.if_else(pa.array(is_person), person, company)
    return found


def draw_phones(random: np.random.Generator, area_code: np.ndarray) -> pa.StringArray:
    """Return area code and 9 digits of a mobile phone or 8 of a landline."""
    count = len(area_code)
    number = random.integers(0, 10_000_000, count)
    mobile = area_code * 1_000_000_000 + MOBILE_PREFIX * 10_000_000 + number
    landline = area_code * 100_000_000 + LANDLINE_PREFIX * 10_000_000 + number
    is_mobile = pa.array(random.random(count) < MOBILE_SHARE)
    found: pa.StringArray = pc.if_else(
        is_mobile, digit_strings(mobile, 11), digit_strings(landline, 10)
    )
    return found


def draw_capitals(
    random: np.random.Generator, size: np.ndarray, faults: dict[str, np.ndarray]
) -> "pa.Array[Any]":
    """Return share capitals in BRL with cents, as the contract's decimals."""
    capital = MEDIAN_CAPITAL[size] * random.lognormal(0.0, CAPITAL_SIGMA, len(size))
    cents = np.maximum(np.rint(capital * 100), 100).astype(np.int64)
    cents = np.where(faults["negative_capital"], -cents, cents)
    in_cents = pa.array(cents, mask=faults["missing_capital"]).cast(pa.decimal128(19, 0))
    hundredth = pa.scalar("0.01").cast(pa.decimal128(3, 2))
    found: pa.Array[Any] = pc.multiply(in_cents, hundredth).cast(TYPES["NUMERIC"].arrow)
    return found


def draw_zip_codes(
    random: np.random.Generator, place: np.ndarray, is_invalid: np.ndarray
) -> pa.StringArray:
    """Return codes within the state's range.

    Invalid ones are missing, empty, short or hyphenated.
    """
    places = all_places()
    codes = digit_strings(random.integers(places.first_zip[place], places.last_zip[place] + 1), 8)
    kind = random.integers(0, 4, len(place))
    hyphenated = join(pc.utf8_slice_codeunits(codes, 0, 5), "-", pc.utf8_slice_codeunits(codes, 5))
    short = pc.utf8_slice_codeunits(codes, 1)
    wrong = pc.choose(pa.array(kind), pa.scalar(None, pa.string()), "", short, hyphenated)
    found: pa.StringArray = pc.if_else(pa.array(is_invalid), wrong, codes)
    return found
