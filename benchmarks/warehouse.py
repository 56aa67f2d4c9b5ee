"""A warehouse of made-up customers, filled by the database itself: a million of them over two years in minutes.

Belongs here: rows that keep their tables' contracts, for whoever measures or tests readers. Does not belong here:
anything that makes the tables in earnest; the numbers are drawn by hashes, since only how many there are matters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from insiders_assets.contracts.catalogue import PUBLISHED_TABLES, PUBLISHED_VIEWS
from insiders_assets.domain.facts.characteristics import PROFILE
from insiders_assets.partitions import shift
from insiders_assets.storage.warehouse import Warehouse

LAST = dt.date(2024, 12, 1)
SEGMENTS, MEMBERS = 8, 0.10
# What every statement below can use: a number from 0 to 1 by customer, month and what it is drawn for.
DRAW = "CREATE OR REPLACE FUNCTION pg_temp.u(a bigint, b bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS "
DRAWN = "$$ SELECT (hashint8extended(a * 1000 + b, 7) & 1048575)::float8 / 1048576 $$"
CUSTOMERS = "generate_series(1, %(customers)s) i"
IS_IN = "pg_temp.u(i, 1) < %(members)s"
SPENT = "(power(pg_temp.u(i, 2) + 0.0001, -0.7) * 90 * (1 + CASE WHEN " + IS_IN + " THEN 9 ELSE 0 END))"
SEGMENT = "CASE WHEN " + IS_IN + " THEN 1 ELSE 2 + floor(pg_temp.u(i, 3 + %(number)s / 6) * %(others)s)::bigint END"
NAME = f"'Segment ' || ({SEGMENT}) || ': made up'"
PER_MONTH: Mapping[str, str] = {
    "customer_features": f"""
        (month, customer_id, appearance_order, clusterable, as_of_date, first_purchase, last_purchase, gross_revenue,
         net_revenue, recency_days, purchases, items_purchased, unique_products_purchased, distinct_products,
         avg_ticket, activity_dates, avg_recency_days, frequency, number_returns, monetary_returns, avg_basket_size,
         unique_avg_basket, returns_ratio)
        SELECT %(month)s, (10000 + i)::text, i, pg_temp.u(i, 4) < 0.7, %(month)s::date + 27, %(month)s::date - 300,
               %(month)s::date + 20, {SPENT}, {SPENT} * 0.97, 7, 5, {SPENT} / 2, 30, 20, {SPENT} / 5, 5, 20, 0.1, 1,
               {SPENT} * 0.03, 40, 6, 0.03 FROM {CUSTOMERS}""",
    "customer_segments": f"""
        (month, customer_id, segment_id, segment_en, segment_pt)
        SELECT %(month)s, (10000 + i)::text, {SEGMENT}, {NAME}, {NAME} FROM {CUSTOMERS}""",
    "insiders_membership": f"""
        (month, customer_id, status, since, months_in_grace, months_short, months_holding, rule_version, rule,
         rule_holds, needs, event, status_before, reason, moved_most, needs_pt, reason_pt, moved_most_pt)
        SELECT %(month)s, (10000 + i)::text, CASE WHEN inside AND grace THEN 'grace' WHEN inside THEN 'member'
               ELSE 'outside' END, CASE WHEN inside THEN %(month)s::date END, 0, CASE WHEN grace THEN 1 ELSE 0 END, 3,
               'candidate 2024-01', 'items_purchased >= 900', inside AND NOT grace,
               'has 812 of 900 items bought; 88 more by month end', CASE WHEN changed THEN 'enter' END,
               CASE WHEN changed THEN 'outside' END, CASE WHEN changed THEN 'the rule holds: 1,012 items bought' END,
               CASE WHEN changed THEN 'purchases 3 → 9' END, 'tem 812 de 900 itens comprados; mais 88 até o fim do mês',
               CASE WHEN changed THEN 'a regra vale: 1.012 itens comprados' END,
               CASE WHEN changed THEN 'compras 3 → 9' END
        FROM (SELECT i, {IS_IN} AS inside, pg_temp.u(i, 5 + %(number)s) < 0.05 AS grace,
                     {IS_IN} AND pg_temp.u(i, 50 + %(number)s) < 0.05 AS changed FROM {CUSTOMERS}) drawn""",
    "customer_purchases": f"""
        (month, customer_id, invoice_no, invoice_date, lines, items_purchased, gross_revenue, items_returned,
         monetary_returns)
        SELECT %(month)s, (10000 + i)::text, %(number)s || '-' || i, %(month)s::date + 9, 6, 40, {SPENT} / 13, 0, 0
        FROM {CUSTOMERS} WHERE pg_temp.u(i, 80 + %(number)s) < 0.4""",
    "member_list": """
        (month, customer_id, status, since, event, status_before, reason, moved_most, needs, rule_holds, months_short,
         reach, segment_id, segment_en, segment_pt, gross_revenue, net_revenue, purchases, items_purchased,
         recency_days, needs_pt, reason_pt, moved_most_pt)
        SELECT month, customer_id, status, since, event, status_before, reason, moved_most, needs, rule_holds,
               months_short, f.items_purchased::float8 / 900, segment_id, segment_en, segment_pt, gross_revenue,
               net_revenue, purchases, items_purchased, recency_days, needs_pt, reason_pt, moved_most_pt
        FROM insiders.insiders_membership m JOIN insiders.customer_features f USING (month, customer_id)
        JOIN insiders.customer_segments s USING (month, customer_id)
        WHERE month = %(month)s AND (status <> 'outside' OR event IS NOT NULL)""",
    "group_movement": """
        (month, position, month_before, segment_before, segment_now, inside_before, inside_now, customers)
        SELECT %(month)s, row_number() OVER (), before::date, a, b, a = 1, b = 1, 10 + a * 7 + b * 3
        FROM generate_series(1, %(segments)s) a, generate_series(1, %(segments)s) b,
             generate_series(%(first)s::date, %(month)s::date - 1, '1 month') before""",
    "report_pictures": """
        (month, language, picture, form, content)
        SELECT %(month)s, language, picture, 'svg',
               '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 360"><path d="M0 300' ||
               string_agg('L' || i || ' ' || i %% 300, '') || '"/></svg>'
        FROM generate_series(1, 3000) i, unnest(ARRAY['en', 'pt-BR']) language,
             unnest(ARRAY['history', 'lorenz', 'embedding', 'forecast']) picture GROUP BY 2, 3""",
    "segment_profiles": """
        (month, segment_id, name_en, name_pt, profile_en, profile_pt, customers, cluster_rank, mean_revenue, born, kept)
        SELECT %(month)s, i, 'Made-up segment ' || i, 'Segmento inventado ' || i, 'Rank ' || i, 'Posição ' || i,
               %(customers)s / %(segments)s, i, 9000.0 / i, %(first)s, 0.9
        FROM generate_series(1, %(segments)s) i""",
    "programme_rule": """
        (month, rule, rule_in_words, rule_in_portuguese, explainable, verdict, basis, clusterable, chosen, selected,
         exceptions, precision, recall, f1, f1_in_sample, runner_up, runner_up_f1, lead, sql, exceptions_sql)
        VALUES (%(month)s, 'items_purchased >= 900', 'at least 900 items bought', 'pelo menos 900 itens comprados',
                true, 'The rule says who is chosen.', 'consensus', 100, 10, 11, 1, 0.95, 0.97, 0.96, 0.97,
                'purchases >= 7',
                0.8, 0.16, 'SELECT 1', 'SELECT 1')""",
    "membership_policies": """
        (month, policy, description, published, months_to_enter, months_to_leave, leave_share, months, members, churn,
         worst_churn, returners, growth, revenue_share)
        SELECT %(month)s, policy, 'made up', policy = 'programme', 1, 2, 0.8, 12, 100, 0.07, 0.1, 0.04, 0.1, 0.5
        FROM unnest(ARRAY['programme', 'rule without grace', 'three months in, three out']) policy""",
    "programme_trials": """
        (month, kind, position, value, rule, months, members, customer_share, revenue_share, churn, worst_churn,
         year_net_revenue, year_net_share)
        SELECT %(month)s, kind, i, i / 4.0, 'items_purchased >= ' || 225 * i, 12, 1000 / i, 0.2 / i, 0.6 / i, 0.07, 0.1,
               100000.5 / i, 0.5 / i FROM generate_series(1, 6) i, unnest(ARRAY['threshold', 'share']) kind""",
    "marketing_actions": """
        (month, segment_id, state, action, position, customers, money, action_en, action_pt, condition_en, condition_pt,
         money_en, money_pt, list_sql)
        SELECT %(month)s, i, 'out', 'win_back', 1, 40 + i, 9000.5 / i, 'Win back', 'Reconquistar', 'away for long',
               'longe há muito', 'what they spend a month', 'o que gastam por mês', 'SELECT 1'
        FROM generate_series(1, %(segments)s) i""",
    "revenue_forecast": """
        (month, model, grain, period_start, period_end, horizon, published, net_revenue, gross_revenue, net_lower_50,
         net_upper_50, net_lower_80, net_upper_80, net_lower_95, net_upper_95, interval_basis, interval_origins,
         days_forecast, trading_days, observed, weight, origins, mean_error, bias, covered_80)
        SELECT %(month)s, model, 'month', (%(month)s::date + h * interval '1 month')::date,
               (%(month)s::date + (h + 1) * interval '1 month')::date - 1, h, model = 'combination', 50000 + h,
               52000 + h, 45000, 55000, 40000, 60000, 35000, 65000, 'conformal', 8, 30, 26, 0, 0.5, 8, 0.12, 0.01, 0.8
        FROM generate_series(1, 3) h, unnest(ARRAY['combination', 'network', 'last_30_days']) model""",
    "forecast_backtest": """
        (month, origin, model, horizon, target, published, net_forecast, net_actual, net_error, gross_forecast,
         gross_actual, net_lower_80, net_upper_80, inside_80)
        SELECT %(month)s, origin::date, model, 1, (origin + interval '1 month')::date, model = 'combination', 50000,
               48000, 0.0417, 52000, 50000, 40000, 60000, true
        FROM generate_series(%(first)s::date, %(month)s::date - 1, '1 month') origin,
             unnest(ARRAY['combination', 'network']) model""",
    "report_facts": """
        (month, key, position, description, value, unit, denominator, source, how, sql)
        SELECT %(month)s, key, row_number() OVER (), 'A made-up fact.', value, unit, NULL, source, 'computed',
               'SELECT 1'
        FROM unnest(%(keys)s::text[], %(values)s::float8[], %(units)s::text[], %(sources)s::text[])
             facts (key, value, unit, source)""",
    "month_files": """
        (month, file_version, landed_lines, overlapping_lines, dropped_lines, kept_lines, landed_amount,
         overlapping_amount, dropped_amount, kept_amount)
        VALUES (%(month)s, 'invoices.csv@0123456789ab', 900, 12, 8, 880, 9000, 100, 50, 8850)""",
}
ONCE: Mapping[str, str] = {
    "landed_files": """
        (file_version, file_key, sha256, layout, landed_by, landed_at, lines, good_lines, quarantined_lines, first_date,
         last_date, months)
        VALUES ('invoices.csv@0123456789ab', 'invoices.csv', repeat('0', 64), 'uci', 'maria', '2025-01-04 06:00', 1000,
                990, 10, %(first)s, %(last)s, 25)""",
    "quarantine_counts": """
        (file_version, reason, file_key, lines)
        VALUES ('invoices.csv@0123456789ab', 'quantity is no number', 'invoices.csv', 10)""",
    "run_assets": """
        (run_id, asset, partition, job, made_at, seconds, peak_mb, rows, content_hash)
        SELECT 'run of ' || m::date, asset, m::date::text, 'monthly', m + interval '33 days', 3.5, 900, 1000, 'abc'
        FROM generate_series(%(first)s::date, %(last)s::date, '1 month') m,
             unnest(ARRAY['raw_invoices', 'customer_features', 'insiders_report']) asset""",
    "run_checks": """
        (run_id, asset, check_name, partition, checked_at, passed, severity, description, found)
        SELECT 'run of ' || m::date, 'month_totals', name, m::date::text, m + interval '33 days',
               name <> 'volume_is_as_usual' OR m < %(last)s::date, 'WARN', 'A claim.', 'lines: 900'
        FROM generate_series(%(first)s::date, %(last)s::date, '1 month') m,
             unnest(ARRAY['volume_is_as_usual', 'buckets_add_up']) name""",
}


def fill(url: str, customers: int, months: int, seconds: float = 3600) -> None:
    """Fill the database behind a URL: `months` of so many customers, the last LAST; it is empty before.

    Raises
    ------
    psycopg.Error: the database did not take the rows.
    """
    Warehouse(url).prepare(PUBLISHED_TABLES, PUBLISHED_VIEWS)
    first = shift(LAST, 1 - months)
    with psycopg.connect(url, options=f"-c statement_timeout={round(seconds * 1000)}") as connection:
        connection.execute(sql.SQL(DRAW + DRAWN))
        # Of tables that were just filled the planner knows nothing, and would look a million rows up one by one.
        connection.execute("SET enable_nestloop = off")
        shared = {"customers": customers, "members": MEMBERS, "segments": SEGMENTS, "others": SEGMENTS - 1}
        shared |= {"first": first, "last": LAST}
        for number in range(months):
            month = shift(first, number)
            told = list(_facts(first, month, customers))
            columns = {
                name: [row[place] for row in told] for place, name in enumerate(("keys", "values", "units", "sources"))
            }
            for table, statement in PER_MONTH.items():
                _insert(connection, table, statement, shared | columns | {"month": month, "number": number})
                _note(connection, table, month.isoformat())
            connection.commit()
        for table, statement in ONCE.items():
            _insert(connection, table, statement, shared)
            _note(connection, table, "made up")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _insert(connection: psycopg.Connection, table: str, statement: str, values: Mapping[str, Any]) -> None:
    connection.execute(sql.SQL(f"INSERT INTO insiders.{table} {statement}"), values)  # type: ignore[arg-type]  # ours


def _note(connection: psycopg.Connection, table: str, scope: str) -> None:
    connection.execute(
        "INSERT INTO insiders.published_versions (table_name, scope, version, content_hash, rows) "
        "VALUES (%s, %s, 'v', 'h', 1)",
        [table, scope],
    )


def _facts(first: dt.date, month: dt.date, customers: int) -> Iterator[tuple[str, float, str, str]]:
    """Key, value, unit and source of what pages show."""
    members, age = round(MEMBERS * customers), (month.year - first.year) * 12 + month.month - first.month
    plain = {
        "members.count": members + age,
        "programme.entered": 31 + age,
        "programme.went": 7,
        "programme.in_grace": 5,
    }
    plain |= {"base.clusterable": round(0.7 * customers)}
    for key, count in plain.items():
        yield key, float(count), "customers", "insiders_membership"
    yield "members.revenue", 1234567.891 + age, "currency", "insiders_membership"
    for base in ("clusterable", "identified", "all"):
        yield f"members.share_of_{base}", 0.1 + age / 1000, "share", "insiders_membership"
        for what in ("revenue", "net_revenue"):
            yield f"members.share_of_{what}_{base}", 0.5 + age / 1000 + len(base) / 100, "share", "insiders_membership"
    for place in range((month.year - first.year) * 12 + month.month - first.month + 1):
        earlier = shift(first, place)
        for name, count in (("members", members + place), ("entered", 31 + place), ("went", 7)):
            yield f"history.{earlier:%Y-%m}.{name}", float(count), "customers", "insiders_membership"
        yield f"forecast.history.{earlier:%Y-%m}", 45000.0 + place, "currency", "customer_purchases"
    for key, amount in (("net_revenue", 50001.0), ("lower", 40000.0), ("upper", 60000.0)):
        yield f"forecast.{key}", amount, "currency", "revenue_forecast"
    for name, (_, unit) in PROFILE.items():
        yield f"clusterable.mean_{name}", 40.0, unit, "customer_features"
        for segment in range(1, SEGMENTS + 1):
            yield f"segment_{segment:02d}.mean_{name}", 200.0 / segment, unit, "customer_segments"
