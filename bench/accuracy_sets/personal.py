"""Texts with personal and payment data in them, and such as only look it. One rule: only what is added as a value is one."""

from collections.abc import Iterator
from random import Random

from bench.accuracy_sets.digits import some, spoiled
from bench.accuracy_sets.identifiers import CHECKED, UNCHECKED, Maker
from bench.accuracy_sets.places import date_of_birth, email, ip_address, mac_address, phone
from bench.accuracy_sets.record import Draft, Labelled

CALLED: dict[str, tuple[str, ...]] = {
    "us_ssn": ("SSN", "social security number", "Social Security no."),
    "us_itin": ("ITIN", "individual taxpayer identification number"),
    "us_npi": ("NPI", "National Provider Identifier", "NPI number"),
    "us_dea_number": ("DEA number", "DEA registration", "prescriber DEA"),
    "us_mbi": ("MBI", "Medicare number", "Medicare beneficiary identifier"),
    "vehicle_vin": ("VIN", "vehicle identification number", "chassis number"),
    "ca_sin": ("SIN", "social insurance number"),
    "uk_nhs_number": ("NHS number", "NHS no.", "NHS no"),
    "uk_nino": ("National Insurance number", "NI number", "NINO"),
    "de_tax_id": ("Steuer-ID", "Steueridentifikationsnummer", "German tax ID"),
    "fr_nir": ("numéro de sécurité sociale", "NIR", "French social security number"),
    "es_dni": ("DNI", "NIE", "documento nacional de identidad"),
    "it_codice_fiscale": ("codice fiscale", "Italian tax code"),
    "nl_bsn": ("BSN", "burgerservicenummer"),
    "be_national_number": ("rijksregisternummer", "Belgian national number"),
    "pl_pesel": ("PESEL", "numer PESEL"),
    "se_personnummer": ("personnummer", "Swedish personal number"),
    "fi_hetu": ("henkilötunnus", "HETU", "Finnish personal identity code"),
    "no_fodselsnummer": ("fødselsnummer", "Norwegian birth number"),
    "ie_pps": ("PPS number", "PPSN"),
    "ch_ahv": ("AHV-Nummer", "AHV number", "numéro AVS"),
    "in_aadhaar": ("Aadhaar", "Aadhaar number", "UIDAI number"),
    "in_pan": ("PAN", "PAN card", "permanent account number"),
    "in_gstin": ("GSTIN", "GST number"),
    "sg_nric": ("NRIC", "NRIC/FIN", "FIN"),
    "id_nik": ("NIK", "nomor KTP", "Nomor Induk Kependudukan"),
    "br_cpf": ("CPF", "número do CPF"),
    "br_cnpj": ("CNPJ", "CNPJ da empresa"),
    "au_tfn": ("TFN", "tax file number"),
    "au_abn": ("ABN", "Australian Business Number"),
    "au_medicare": ("Medicare card number", "Medicare number"),
    "za_identity_number": ("South African ID number", "SA ID number"),
    "cn_resident_id": ("resident ID", "shenfenzheng number"),
    "cl_rut": ("RUT", "RUT chileno"),
    "ar_cuit": ("CUIT", "CUIL"),
    "tr_tckn": ("TC kimlik no", "TCKN", "Turkish ID number"),
    "imei": ("IMEI", "IMEI number"),
    "credit_card": ("card number", "credit card", "Visa or Mastercard", "card"),
    "iban": ("IBAN", "account (IBAN)", "bank account"),
    "us_aba_routing": ("routing number", "ABA routing number", "ABA"),
    "mx_clabe": ("CLABE", "CLABE interbancaria"),
    "email": ("email", "e-mail address", "contact"),
    "phone": ("phone", "mobile", "telephone number", "tel"),
    "ip_address": ("IP", "client IP", "source address"),
    "mac_address": ("MAC address", "MAC", "hardware address"),
    "date_of_birth": ("date of birth", "DOB", "born on"),
}
"""What people call each type of value."""

_MAKERS: dict[str, Maker] = {
    **CHECKED,
    **UNCHECKED,
    **{maker.__name__: maker for maker in (email, phone, ip_address, mac_address, date_of_birth)},
}

_FRAMES = (
    "My {name} is {value}.",
    "{name}: {value}",
    "{name} = {value}",
    "The {name} we have on file is {value}, is that still right?",
    "Please update the {name} to {value} before Friday.",
    "{name}\t{value}\tverified",
    "| {name} | {value} | yes |",
    "Can you check whether {name} {value} belongs to the applicant?",
    "Here is the {name} you asked for: {value}. Let me know if anything else is missing.",
    "Summarise the case. {name} {value}; claim opened in March; nothing paid out so far.",
    "Form field 12 ({name}): {value}",
    "The caller gave {value} as {name}.",
    "{value} is the {name} of the second account holder.",
)
_JSON = ('{{"{key}": "{value}", "status": "open"}}', '{{"record": 7, "{key}": "{value}"}}', "{key}={value};retries=3")
_FREE = {
    "email": (
        "Write to {value} or come by.",
        "From: {value}\nSubject: delivery",
        "cc {value}, thanks",
        "<{value}> wrote:",
        "mailto:{value}",
    ),
    "phone": (
        "Call me on {value} after six.",
        "You can reach the office at {value}.",
        "Tel. {value}",
        "Text {value} when you arrive.",
    ),
    "ip_address": (
        "{value} - - GET /index.html 200",
        "Blocked 14 requests from {value} overnight.",
        "ssh timeout to host {value}",
    ),
    "credit_card": ("Charge {value} and send the receipt.", "I paid with {value} last week.", "Why was {value} declined?"),
    "iban": ("Send the refund to {value} please.", "Transfer to {value} until Monday."),
    "us_ssn": ("Look up {value} in the payroll export.",),
    "br_cpf": ("O cliente {value} pediu reembolso.",),
    "us_npi": ("Claim was filed under NPI {value}.",),
}
_SLIPS = tuple(sorted(set(CHECKED) - {"fi_hetu"}))
"""Types of which a value with a slip is nobody's. Finland's, with a digit for its letter, may be a Dane's or a Swede's."""

_OPENINGS = (
    "",
    "",
    "Hello, I am writing about an order from last month. ",
    "Rewrite this note politely.\n\n",
    "Translate to French: ",
    "Extract all fields from the following record:\n",
    "The meeting is moved to Thursday at 10:30. ",
    "Invoice 2024-00817 over 1,299.00 EUR is unpaid. ",
)
_CLOSINGS = (
    "",
    "",
    " Thanks in advance!",
    "\nBest regards,\nthe support team",
    " The rest stays as agreed in section 4.2.",
    "\n",
)

_NOTHING = (
    "Order {n8} was shipped on {date} with tracking number {n12}.",
    "Version {v}.{v}.{v} fixes bug #{n5}; see commit {hex40}.",
    "Run {uuid} finished in {n4} ms with exit code 0.",
    "sha256:{hex64}",
    "The sensor {n6}-{n4} reported {v}.{n2} degrees at {date}T10:{n2}:{n2}Z.",
    "Flight leaves gate {v} at 14:{n2}, booking reference {letters6}.",
    "SELECT id, total FROM orders WHERE total > {n4} AND created < '{date}';",
    "Part no. {n3}-{n4}-{n2}, drawing {letters2}{n5}, quantity {n3}.",
    "The population grew from {n3},{n3} to {n3},{n3} between 1990 and 2010.",
    "ISBN 978-{v}-{n4}-{n4}-{v}, page {n3}.",
    "for i in range({n4}): total += prices[i] * {v}.{n2}",
    "Epoch {n10} is {date} in UTC.",
    "Error 0x{hex8} at offset {n7}; retry in {n3} s.",
    "Our fiscal year closes on {date}; revenue was ${n3},{n3}.{n2} million.",
    "Parcel {letters2}{n9}{letters2} arrived in depot {n4}.",
    "Coordinates of the pixel are {n3}:{n3}, colour #{hex6}.",
    "Ticket {letters3}-{n4} blocks ticket {letters3}-{n4}.",
    "Batch {n9} of lot {n7} was sampled on {date}.",
    "The library needs python>={v}.{n2}, numpy=={v}.{n2}.{v} and {v}.{v}.{v}.{v} of the plugin.",
    "Prices: 10.50, 20.75, 1,000.00 and 99.99; subtotal 1,131.24.",
    "{n11} rows were scanned in {n5} partitions.",
    "Serial number {n10}, firmware {v}.{v}.{n4}.",
)


def spans(source: Random, count: int) -> Iterator[Labelled]:
    """Texts about one value each, about several, about spoilt ones and about none, in fixed shares."""
    types = sorted(_MAKERS)
    for number in range(count):
        kind = types[number % len(types)]
        share = source.random()
        if share < 0.55:
            yield _one(source, kind)
        elif share < 0.70:
            yield _several(source, kind)
        elif share < 0.85:
            yield _near_miss(source, source.choice(_SLIPS))
        else:
            yield Draft().add(nothing(source)).labelled()


def sentence(source: Random, draft: Draft, kind: str) -> None:
    """Goes on with a sentence that holds a value of a type."""
    _framed(source, draft, kind, _MAKERS[kind](source), entity=kind)


def nothing(source: Random) -> str:
    """A sentence with numbers that are nobody's."""
    fields = {f"n{i}": some(source, i) for i in range(2, 13)}
    fields |= {f"letters{i}": some(source, i, "ABCDEFGHJKLMNPQRSTUVWXYZ") for i in (2, 3, 6)}
    fields |= {f"hex{i}": some(source, i, "0123456789abcdef") for i in (6, 8, 40, 64)}
    fields["uuid"] = "-".join(some(source, i, "0123456789abcdef") for i in (8, 4, 4, 4, 12))
    fields["v"] = str(source.randint(1, 9))
    fields["date"] = f"{source.randint(2015, 2026)}-{source.randint(1, 12):02}-{source.randint(1, 28):02}"
    return source.choice(_NOTHING).format(**fields)


def _one(source: Random, kind: str) -> Labelled:
    draft = Draft().add(source.choice(_OPENINGS))
    sentence(source, draft, kind)
    return draft.add(source.choice(_CLOSINGS)).labelled()


def _several(source: Random, kind: str) -> Labelled:
    draft = Draft().add(source.choice(_OPENINGS))
    for each in (kind, *source.sample(sorted(_MAKERS), source.randint(1, 3))):
        sentence(source, draft, each)
        draft.add(source.choice(("\n", " ", "\n\n")))
        if source.random() < 0.4:
            draft.add(nothing(source)).add("\n")
    return draft.labelled()


def _near_miss(source: Random, kind: str) -> Labelled:
    """A value with a slip in it, called what it would be: nobody's, and so nothing to find."""
    draft = Draft().add(source.choice(_OPENINGS))
    _framed(source, draft, kind, spoiled(source, _MAKERS[kind](source)), entity="")
    return draft.labelled()


def _framed(source: Random, draft: Draft, kind: str, value: str, *, entity: str) -> None:
    free = _FREE.get(kind, ())
    if free and source.random() < 0.4:
        frame, name = source.choice(free), ""
    elif source.random() < 0.2:
        frame, name = source.choice(_JSON), ""
    else:
        frame, name = source.choice(_FRAMES), source.choice(CALLED[kind])
    key = kind.partition("_")[2] if kind[2:3] == "_" and source.random() < 0.5 else kind
    before, after = frame.replace("{value}", "\0").format(name=name, key=key).split("\0")
    draft.add(before).add(value, entity).add(after)
