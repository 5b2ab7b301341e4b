"""Who owns which field: server-side apply with conflicts, and tracking of ordinary writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes import ownership
from sandbox.kubernetes.lists import is_atomic, item_key, merge_keys
from sandbox.kubernetes.ownership import Field
from sandbox.kubernetes.status import ApiError, Cause, Object
from sandbox.kubernetes.store import clone


@dataclass
class Manager:
    """One entry of ``managedFields``."""

    name: str
    operation: str
    api_version: str
    fields: set[Field]
    time: str
    subresource: str = ""

    def title(self) -> str:
        """The manager as a conflict names it (`structured-merge-diff` through `printManager`)."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text

    def entry(self) -> Object:
        body = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": ownership.to_v1(self.fields),
        }
        return {**body, "subresource": self.subresource} if self.subresource else body


def managers_of(item: Object) -> list[Manager]:
    """The managers an object records."""
    return [
        Manager(
            entry["manager"],
            entry["operation"],
            entry.get("apiVersion", ""),
            ownership.from_v1(entry.get("fieldsV1") or {}),
            entry.get("time", ""),
            entry.get("subresource", ""),
        )
        for entry in item["metadata"].get("managedFields") or []
    ]


def record(item: Object, managers: list[Manager]) -> None:
    """Write managers into an object, without those that own nothing."""
    entries = [manager.entry() for manager in managers if manager.fields]
    if entries:
        item["metadata"]["managedFields"] = entries
    else:
        item["metadata"].pop("managedFields", None)


def track_update(old: Object | None, new: Object, writer: Manager) -> None:
    """Give the fields that an ordinary write changed to its writer, and take them from the others."""
    before = ownership.fields_of(old) if old else {}
    after = ownership.fields_of(new)
    changed = {field for field, value in after.items() if field not in before or before[field] != value}
    gone = set(before) - set(after)
    managers = managers_of(old) if old else []
    mine = _entry(managers, writer)
    for manager in managers:
        if manager is not mine:
            manager.fields -= {field for field in changed if not _is_item(field)}
        manager.fields -= gone
    if changed:
        mine.time = writer.time
    mine.fields |= changed
    record(new, managers)


def _is_item(field: Field) -> bool:
    return field[-1][0] == "k"


def _entry(managers: list[Manager], like: Manager) -> Manager:
    for manager in managers:
        if (manager.name, manager.operation, manager.subresource) == (like.name, like.operation, like.subresource):
            return manager
    fresh = Manager(like.name, like.operation, like.api_version, set(), like.time, like.subresource)
    managers.append(fresh)
    return fresh


def apply(live: Object, applied: Object, writer: Manager, *, force: bool) -> Object:
    """Server-side apply: `live` with what `applied` says, without what its manager no longer says.

    Raises:
        ApiError: 409 with one cause a field when another manager owns a field with another value.
    """
    managers = managers_of(live)
    mine = _entry(managers, writer)
    wanted = ownership.fields_of(applied)
    _settle_conflicts(live, wanted, [manager for manager in managers if manager is not mine], force=force)
    result: Object = merged(live, applied)
    others = set().union(*(manager.fields for manager in managers if manager is not mine))
    for field in sorted(mine.fields - set(wanted), key=len):
        if not any(other[: len(field)] == field for other in others | set(wanted)):
            ownership.remove(result, field)
    if mine.fields != set(wanted):
        mine.time = writer.time
    mine.fields = set(wanted)
    record(result, managers)
    return result


def _settle_conflicts(live: Object, wanted: dict[Field, Any], others: list[Manager], *, force: bool) -> None:
    conflicts: list[tuple[Manager, Field]] = []
    for manager in others:
        for field in sorted(wanted, key=ownership.shown):
            if _is_item(field) or not _owns(manager, field):
                continue
            present, value = ownership.find(live, field)
            if wanted[field] == {} and isinstance(value, dict):
                continue  # merging nothing into an object changes nothing
            if not present or value != wanted[field]:
                conflicts.append((manager, field))
    if conflicts and not force:
        raise conflict(conflicts)
    for manager, field in conflicts:
        manager.fields = {have for have in manager.fields if have[: len(field)] != field}


def _owns(manager: Manager, field: Field) -> bool:
    return field in manager.fields or any(have[: len(field)] == field for have in manager.fields)


def conflict(conflicts: list[tuple[Manager, Field]]) -> ApiError:
    """The 409 of server-side apply, in the API server's words."""
    causes = [
        Cause("FieldManagerConflict", f"conflict with {manager.title()}", ownership.shown(field)).body()
        for manager, field in conflicts
    ]
    if len(conflicts) == 1:
        manager, field = conflicts[0]
        text = f"conflict with {manager.title()}: {ownership.shown(field)}"
    else:
        titles = list(dict.fromkeys(manager.title() for manager, _ in conflicts))
        parts = []
        for title in titles:
            parts.append(f"conflicts with {title}:")
            parts += [f"- {ownership.shown(field)}" for manager, field in conflicts if manager.title() == title]
        text = "\n".join(parts)
    plural = "conflict" if len(conflicts) == 1 else "conflicts"
    return ApiError(409, "Conflict", f"Apply failed with {len(conflicts)} {plural}: {text}", {"causes": causes})


def merged(live: Any, applied: Any, path: tuple[str, ...] = ()) -> Any:
    """`applied` over `live`: objects by field, lists with keys by item, sets joined, the rest replaced."""
    if isinstance(applied, dict) and isinstance(live, dict) and not (path and is_atomic(path)):
        result = dict(live)
        for key, value in applied.items():
            result[key] = merged(live.get(key), value, (*path, key))
        return result
    if isinstance(applied, list) and isinstance(live, list) and path[-1] == "finalizers":
        return [*live, *(item for item in applied if item not in live)]
    if isinstance(applied, list) and isinstance(live, list) and (keys := merge_keys(path)):
        return _merged_items(live, applied, path, keys)
    return clone(applied)


def _merged_items(live: list[Any], applied: list[Any], path: tuple[str, ...], keys: tuple[str, ...]) -> list[Any]:
    have = {item_key(item, keys): item for item in live}
    want = {item_key(item, keys): item for item in applied}
    result = [merged(have.get(key, {}), item, path) for key, item in want.items()]
    return [*result, *(item for key, item in have.items() if key not in want)]
