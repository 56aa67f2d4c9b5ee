"""How a check of a month is made: one decorator, and what every check finds its tables in.

Belongs here: what all checks share. Does not belong here: any claim.
"""

import warnings
from collections.abc import Callable, Iterable

import dagster as dg

from insiders_assets.assets.platform import Platform

Check = Callable[[dg.AssetCheckExecutionContext], dg.AssetCheckResult]


def monthly_check(
    asset: str, partitions: dg.PartitionsDefinition, description: str, after: Iterable[str] = ()
) -> Callable[[Check], dg.AssetChecksDefinition]:
    """Make a check of every month of an asset; the function's name is the claim.

    `after`: assets that it looks at too, so that it waits for them.

    It reads its month from the lake by itself: an input of a partitioned check without `partitions_def` would load
    every month, and fail on the ones that are not built.
    """

    def decorate(check: Check) -> dg.AssetChecksDefinition:
        with warnings.catch_warnings():
            # Dagster calls `partitions_def` of a check a preview and says so at each load. Drop when it no longer does.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.asset_check(
                asset=asset,
                partitions_def=partitions,
                required_resource_keys={"platform"},
                description=description,
                additional_deps=list(after),
            )(check)

    return decorate


def platform_of(context: dg.AssetCheckExecutionContext) -> Platform:
    """The stores of the run that a check belongs to."""
    return context.op_execution_context.resources.platform
