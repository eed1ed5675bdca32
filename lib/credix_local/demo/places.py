"""Brazil's 27 federative units: names, postal code ranges, area codes and their largest cities.

Populations are those of the 2022 census (IBGE), in thousands, rounded: they are only weights.
Postal code ranges are the main range of each unit as Correios assigns them.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class State:
    """One federative unit; `zip_codes` is the first and last postal code (CEP) as a number."""

    uf: str
    name: str
    area_code: int
    zip_codes: tuple[int, int]
    cities: dict[str, int]


STATES = (
    State("AC", "Acre", 68, (69_900_000, 69_999_999), {"Rio Branco": 365, "Cruzeiro do Sul": 92}),
    State("AL", "Alagoas", 82, (57_000_000, 57_999_999), {"Maceió": 958, "Arapiraca": 235}),
    State("AM", "Amazonas", 92, (69_000_000, 69_299_999), {"Manaus": 2064, "Itacoatiara": 104}),
    State("AP", "Amapá", 96, (68_900_000, 68_999_999), {"Macapá": 443, "Santana": 108}),
    State(
        "BA",
        "Bahia",
        71,
        (40_000_000, 48_999_999),
        {"Salvador": 2418, "Feira de Santana": 616, "Vitória da Conquista": 371, "Camaçari": 300},
    ),
    State(
        "CE",
        "Ceará",
        85,
        (60_000_000, 63_999_999),
        {"Fortaleza": 2429, "Caucaia": 356, "Juazeiro do Norte": 286, "Sobral": 203},
    ),
    State("DF", "Distrito Federal", 61, (70_000_000, 72_799_999), {"Brasília": 2817}),
    State(
        "ES",
        "Espírito Santo",
        27,
        (29_000_000, 29_999_999),
        {"Serra": 521, "Vila Velha": 468, "Cariacica": 353, "Vitória": 323},
    ),
    State(
        "GO",
        "Goiás",
        62,
        (73_700_000, 76_799_999),
        {"Goiânia": 1437, "Aparecida de Goiânia": 528, "Anápolis": 399, "Rio Verde": 226},
    ),
    State(
        "MA",
        "Maranhão",
        98,
        (65_000_000, 65_999_999),
        {"São Luís": 1038, "Imperatriz": 273, "São José de Ribamar": 245},
    ),
    State(
        "MG",
        "Minas Gerais",
        31,
        (30_000_000, 39_999_999),
        {
            "Belo Horizonte": 2316,
            "Uberlândia": 713,
            "Contagem": 622,
            "Juiz de Fora": 541,
            "Montes Claros": 414,
        },
    ),
    State(
        "MS",
        "Mato Grosso do Sul",
        67,
        (79_000_000, 79_999_999),
        {"Campo Grande": 898, "Dourados": 243, "Três Lagoas": 132},
    ),
    State(
        "MT",
        "Mato Grosso",
        65,
        (78_000_000, 78_899_999),
        {"Cuiabá": 651, "Várzea Grande": 300, "Rondonópolis": 245, "Sinop": 196},
    ),
    State(
        "PA",
        "Pará",
        91,
        (66_000_000, 68_899_999),
        {"Belém": 1303, "Ananindeua": 479, "Santarém": 332, "Parauapebas": 267},
    ),
    State(
        "PB",
        "Paraíba",
        83,
        (58_000_000, 58_999_999),
        {"João Pessoa": 834, "Campina Grande": 419, "Santa Rita": 150},
    ),
    State(
        "PE",
        "Pernambuco",
        81,
        (50_000_000, 56_999_999),
        {"Recife": 1489, "Jaboatão dos Guararapes": 644, "Petrolina": 387, "Caruaru": 378},
    ),
    State("PI", "Piauí", 86, (64_000_000, 64_999_999), {"Teresina": 866, "Parnaíba": 162}),
    State(
        "PR",
        "Paraná",
        41,
        (80_000_000, 87_999_999),
        {"Curitiba": 1774, "Londrina": 556, "Maringá": 410, "Ponta Grossa": 358, "Cascavel": 348},
    ),
    State(
        "RJ",
        "Rio de Janeiro",
        21,
        (20_000_000, 28_999_999),
        {
            "Rio de Janeiro": 6211,
            "São Gonçalo": 896,
            "Duque de Caxias": 808,
            "Nova Iguaçu": 785,
            "Niterói": 482,
        },
    ),
    State(
        "RN",
        "Rio Grande do Norte",
        84,
        (59_000_000, 59_999_999),
        {"Natal": 751, "Mossoró": 265, "Parnamirim": 253},
    ),
    State("RO", "Rondônia", 69, (76_800_000, 76_999_999), {"Porto Velho": 460, "Ji-Paraná": 124}),
    State("RR", "Roraima", 95, (69_300_000, 69_399_999), {"Boa Vista": 413, "Rorainópolis": 32}),
    State(
        "RS",
        "Rio Grande do Sul",
        51,
        (90_000_000, 99_999_999),
        {"Porto Alegre": 1333, "Caxias do Sul": 463, "Canoas": 348, "Pelotas": 326},
    ),
    State(
        "SC",
        "Santa Catarina",
        48,
        (88_000_000, 89_999_999),
        {"Joinville": 617, "Florianópolis": 537, "Blumenau": 361, "Chapecó": 255},
    ),
    State(
        "SE",
        "Sergipe",
        79,
        (49_000_000, 49_999_999),
        {"Aracaju": 603, "Nossa Senhora do Socorro": 193},
    ),
    State(
        "SP",
        "São Paulo",
        11,
        (1_000_000, 19_999_999),
        {
            "São Paulo": 11452,
            "Guarulhos": 1292,
            "Campinas": 1139,
            "São Bernardo do Campo": 811,
            "Santo André": 749,
            "Sorocaba": 723,
            "Ribeirão Preto": 699,
            "São José dos Campos": 697,
        },
    ),
    State("TO", "Tocantins", 63, (77_000_000, 77_999_999), {"Palmas": 302, "Araguaína": 171}),
)


@dataclass(frozen=True)
class Places:
    """All cities as columns of equal length, for drawing many at once by `chance`."""

    city: list[str]
    state: list[str]
    uf: list[str]
    area_code: np.ndarray
    first_zip: np.ndarray
    last_zip: np.ndarray
    chance: np.ndarray


@cache
def all_places() -> Places:
    """Return every city with the share of companies it gets.

    Its share of the cities' population.
    """
    rows = [(state, city) for state in STATES for city in state.cities]
    people = np.array([state.cities[city] for state, city in rows], dtype=np.float64)
    return Places(
        city=[city for _, city in rows],
        state=[state.name for state, _ in rows],
        uf=[state.uf for state, _ in rows],
        area_code=np.array([state.area_code for state, _ in rows]),
        first_zip=np.array([state.zip_codes[0] for state, _ in rows]),
        last_zip=np.array([state.zip_codes[1] for state, _ in rows]),
        chance=people / people.sum(),
    )
