"""Invoice lines, from the landed file to the month: landed lines, quarantine, the ledger, raw invoices.

Belongs here: tables with one row per invoice line or per file version. Does not belong here: anything per customer.
"""

from insiders_assets.contracts.table import DATE, MONEY, QUANTITY, TEXT, TIMESTAMP, WHOLE, Column, Table, View

CANONICAL = r"^\S(.*\S)?$"

_MONTH = Column("month", DATE, "First day of the calendar month.", key=True)
_SOURCE = (
    Column("source_file", TEXT, "File version (key and content) that the line was read from.", provenance=True),
    Column("source_sheet", TEXT, "Sheet of the workbook; empty for other files.", provenance=True),
    Column("source_line", WHOLE, "Line of the file (the header is line 1) or row of the sheet.", provenance=True),
)
CONTENT = (
    Column("invoice_no", TEXT, "Invoice number as the shop wrote it; credit notes of UCI files begin with C."),
    Column("stock_code", TEXT, "Article number.", nullable=True),
    Column("description", TEXT, "Article name as it stood on the invoice.", nullable=True),
    Column("quantity", QUANTITY, "Pieces (or other units) sold; negative for a return."),
    Column("invoiced_at", TIMESTAMP, "Date and, where the file has it, time of the invoice, in the shop's time."),
    Column("unit_price", MONEY, "Price of one unit in the shop's currency, rounded to four decimals."),
    Column("line_amount", MONEY, "Quantity times price (or the amount the file states), exact to four decimals."),
    Column("customer_id", TEXT, "Customer in canonical form (12583, never 12583.0).", nullable=True, pattern=CANONICAL),
    Column("country", TEXT, "Country as the shop wrote it.", nullable=True),
)

LANDED_LINES = Table(
    "landed_lines",
    "Good lines of one file version and one month, in one layout, in the order of the file.",
    (*_SOURCE, *CONTENT),
    scope="file_version",
    published=False,
    sort=("source_sheet", "source_line"),
)

QUARANTINE = Table(
    "quarantine",
    "Lines of one file version that break the contract, with the reason and the line as it stood.",
    (
        *_SOURCE,
        Column("reason", TEXT, "Why the line cannot be used, in words that name the column."),
        Column("content", TEXT, "The line as it stood in the file, as JSON of column name to text."),
    ),
    scope="file_version",
    published=False,
    sort=("source_sheet", "source_line"),
)

LANDED_FILES = Table(
    "landed_files",
    "The ledger: one row per file version that was landed, and what became of it.",
    (
        Column("file_version", TEXT, "Key and first twelve digits of the content's SHA-256.", key=True),
        Column("file_key", TEXT, "Name of the file in the landing zone."),
        Column(
            "sha256",
            TEXT,
            "SHA-256 of the file's bytes; of its ETag, if it was refused for its name, unread.",
            pattern="^[0-9a-f]{64}$",
        ),
        Column("layout", TEXT, "Layout that the file was recognised as."),
        Column("landed_by", TEXT, "User or process that landed it."),
        Column("landed_at", TIMESTAMP, "When it was landed (UTC)."),
        Column("lines", WHOLE, "Lines in the file, headers not counted.", at_least=0),
        Column("good_lines", WHOLE, "Lines that keep the contract.", at_least=0),
        Column("quarantined_lines", WHOLE, "Lines that break it.", at_least=0),
        Column("first_date", DATE, "Date of the earliest good line.", nullable=True),
        Column("last_date", DATE, "Date of the latest good line.", nullable=True),
        Column("months", WHOLE, "Number of months that the good lines touch.", at_least=0),
        Column("replaced_by", TEXT, "Later version of the same file; empty while this one counts.", nullable=True),
        Column("refused", TEXT, "Why nothing of the file was landed; empty if it was.", nullable=True),
        Column("retired_at", TIMESTAMP, "When somebody said that it no longer counts (UTC).", nullable=True),
        Column("retired_by", TEXT, "Who said it.", nullable=True),
        Column(
            "acts",
            TEXT,
            "What was done with it, in order (landed, replaced, …), when (UTC), by whom.",
            nullable=True,
        ),
    ),
    scope="file_key",
)

LANDING_LEDGER = View(
    "landing_ledger",
    "Per file version: who landed it and when, its lines (good, in quarantine, in another file too), its months, and "
    "whether it counts.",
    """
    SELECT f.file_key, f.file_version, f.landed_by, f.landed_at, f.lines, f.good_lines, f.quarantined_lines,
           coalesce(m.overlapping_lines, 0) AS overlapping_lines, f.months, m.months_made, f.first_date, f.last_date,
           f.replaced_by, f.retired_at, f.retired_by, f.refused, f.acts,
           f.replaced_by IS NULL AND f.retired_at IS NULL AND f.refused IS NULL AS counts
    FROM insiders.landed_files f
    LEFT JOIN (SELECT file_version, sum(overlapping_lines)::bigint AS overlapping_lines, count(*) AS months_made
               FROM insiders.month_files GROUP BY file_version) m USING (file_version)
    """,
)

QUARANTINE_COUNTS = Table(
    "quarantine_counts",
    "How many lines of which file version stand in quarantine, by reason.",
    (
        Column("file_version", TEXT, "Key and first twelve digits of the content's SHA-256.", key=True),
        Column("reason", TEXT, "Why the lines cannot be used.", key=True),
        Column("file_key", TEXT, "Name of the file in the landing zone."),
        Column("lines", WHOLE, "Number of lines.", at_least=1),
    ),
    scope="file_key",
)

RAW_INVOICES = Table(
    "raw_invoices",
    "Every good line of the month, overlapping files resolved; `dropped_by` names the cleaning rule that drops a line.",
    (
        _MONTH,
        Column(
            "line_order", WHOLE, "Order of the line within the month: by file (first date, key), then line.", key=True
        ),
        *CONTENT,
        Column("dropped_by", TEXT, "Cleaning rule that drops the line; empty for a line that counts.", nullable=True),
        *_SOURCE,
    ),
    published=False,
)

MONTH_FILES = Table(
    "month_files",
    "Which file versions make the month: their landed lines, those that an earlier file has too, and what became of "
    "the rest.",
    (
        _MONTH,
        Column("file_version", TEXT, "Key and first digits of the content's SHA-256.", key=True, provenance=True),
        Column("landed_lines", WHOLE, "Good lines of the month in the file.", at_least=1),
        Column("overlapping_lines", WHOLE, "Of them, lines that count as another file's.", at_least=0),
        Column("dropped_lines", WHOLE, "Of them, lines that a cleaning rule drops.", at_least=0),
        Column("kept_lines", WHOLE, "Of them, lines that count.", at_least=0),
        Column("landed_amount", MONEY, "Money of the landed lines, returns taken off, in the shop's currency."),
        Column("overlapping_amount", MONEY, "Of it, that of the overlapping lines."),
        Column("dropped_amount", MONEY, "Of it, that of the dropped lines."),
        Column("kept_amount", MONEY, "Of it, that of the lines that count."),
    ),
)
