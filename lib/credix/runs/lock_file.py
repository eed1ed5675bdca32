"""The versions that requirements.lock pins for this machine."""

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

# What Python itself brings, or a tool of the machine may replace.
NOT_OURS = {"pip", "setuptools", "wheel"}


def pinned_versions(text: str) -> dict[str, str]:
    """Version by package, of the lines whose marker holds here."""
    pinned = {}
    for line in text.splitlines():
        if line.startswith((" ", "#", "-")):
            continue
        try:
            requirement = Requirement(line.rstrip("\\ "))
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except (InvalidRequirement, UndefinedEnvironmentName):
            continue
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if applies and exact and requirement.name not in NOT_OURS:
            pinned[requirement.name] = exact[0]
    return pinned
