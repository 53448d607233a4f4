"""What checks say and what reporters are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from meshlint.dataclass import dataclass, field
from meshlint.operations import Operation

if TYPE_CHECKING:
    from meshlint.text import SourceFile, Span

Path = tuple[str | int, ...]
"""Way to a value inside a document: mapping keys and list indices."""

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Most severe first."""

_SAFE_TEXT = {c: f"\\x{c:02x}" for c in (*range(0x20), 0x7F, *range(0x80, 0xA0))}


def printable(value: object) -> str:
    """Text for a message: control characters escaped, as they could drive a terminal."""
    return str(value).translate(_SAFE_TEXT)


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """Identity of a Kubernetes object; empty text where the manifest does not say."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}".strip()


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that a hit speaks of, with a short text that says what is there."""

    document: Any  # meshlint.documents.Document; findings stands below that layer
    path: Path
    message: str
    on_key: bool = False


@dataclass(frozen=True, slots=True)
class In:
    """Operations of a fix on another document than the one that the hit points into."""

    document: Any  # meshlint.documents.Document
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that a fix adds at the end of the file that the hit points into."""

    value: Mapping[str, Any]


Change = Operation | In | NewDocument
"""One part of a fix; a bare operation is on the document that the hit points into."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One violation as a check reports it, before the engine looks up its span.

    `path` leads from the root of the document. When it ends at something missing, the nearest
    value that exists is shown. `on_key` points at the key of the last step instead of its value,
    which is right for everything about a block as a whole. `document` is set only where the
    deciding line lies in another document than the subject's own. `message` names one of the
    rule's messages when it has several.
    """

    path: Path
    args: Mapping[str, object] = field(default_factory=dict)
    related: tuple[Related, ...] = ()
    message: str = "default"
    on_key: bool = False
    document: Any = None
    fix: tuple[Change, ...] = ()
    """What would mend it; empty where this violation cannot be mended by an edit."""
    hide_text: bool = False
    """The text around holds a value that must not be shown, though the object is no Secret."""


@dataclass(frozen=True, slots=True)
class TextHit:
    """One violation in a file's text, where there is no value to point at."""

    file: SourceFile
    span: Span
    document: int = 0
    args: Mapping[str, object] = field(default_factory=dict)
    related: tuple[tuple[Span, str], ...] = ()
    message: str = "default"
    hide_text: bool = False
    """The text around may hold values of a Secret and is never shown."""
    fix: tuple[tuple[Span, str], ...] = ()
    """What would mend it: spans of the file with the text that takes their place."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file, with the object it belongs to."""

    file: SourceFile
    span: Span
    pointer: str = ""
    """JSON Pointer (RFC 6901) from the root of the document."""
    document: int = 0
    """Number of the document in its file, from 0."""
    resource: ResourceRef | None = None
    message: str = ""
    hide_text: bool = False
    """The text of the file around the place may hold values of a Secret and must not be shown."""


Safety = Literal["safe", "unsafe"]
"""A safe fix changes nothing that the cluster does but what was meant; others need a look."""


@dataclass(frozen=True, slots=True)
class FileEdit:
    """Text that takes the place of a span of a file."""

    file: SourceFile
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What would mend a finding."""

    safety: Safety
    description: str
    """What it does, as an order: `Set minReplicas to 2.`"""
    changes: tuple[tuple[Any, tuple[Operation | NewDocument, ...]], ...]
    """Documents, each with what is done to it; none for a fix that is an edit of text."""
    edits: tuple[FileEdit, ...] | None = None
    """The same as text, from the first or once somebody has asked for it; see `meshlint.fixes`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation, ready to be shown."""

    rule: str
    severity: Severity
    message: str
    location: Location
    related: tuple[Location, ...] = ()
    fingerprint: str = ""
    kin: str = ""
    """What findings have in common that only their number tells apart."""
    about_run: bool = False
    """It says that something could not be linted: a file does not parse, a check crashed."""
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A violation that is not reported, because somebody has decided so."""

    finding: Finding
    by: Literal["comment", "annotation", "configuration", "other tool", "baseline", "revision"]
    reason: str = ""
    owner: str = ""


ItemState = Literal["passed", "waived", "failed", "not-checked"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Readiness of one workload, gateway or control plane by checklist item."""

    subject: ResourceRef
    role: Literal["workload", "gateway", "control-plane"]
    items: Mapping[str, ItemState]
    file: str = ""
    """File that the subject stands in, which tells apart subjects of the same name."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a document of it, that was read but not linted, and why."""

    file: str
    reason: str
    document: int | None = None
    """Number of the document in its file, from 0; None for the whole file."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """Whether the input was taken as complete for a concern, and on what ground."""

    concern: str
    complete: bool
    reason: str


@dataclass(frozen=True, slots=True)
class KindWithoutSchema:
    """A kind whose objects were linted but judged by no schema, and how many there are."""

    api_version: str
    kind: str
    resources: int


Precision = Literal["very-high", "high", "medium", "low"]
"""How often a finding of a rule is right, in the words of GitHub code scanning."""


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What reporters tell about an enabled rule."""

    id: str
    title: str
    severity: Severity
    category: str
    rationale: str = ""
    """Why the defect matters, in Markdown."""
    remediation: str = ""
    """What to do about it, in Markdown."""
    references: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    """Checks of other tools that the rule includes: `kube-score:container-resources`."""
    profiles: tuple[str, ...] = ()
    checklist: str = ""
    """Readiness item the rule belongs to; empty for none."""
    concern: str = ""
    """What the input must be complete for before the rule runs; empty for none."""
    precision: Precision = "high"
    help_uri: str = ""
    """Page of the rule on the web; empty where there is none."""
    about_run: bool = False
    """A finding says that something could not be linted: a file does not parse, a check crashed."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A finding of a baseline that the run has no more."""

    rule: str
    file: str
    resource: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run has to say."""

    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    gone: tuple[Gone, ...] = ()
    readiness: tuple[Readiness, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    without_schema: tuple[KindWithoutSchema, ...] = ()
    notices: tuple[str, ...] = ()
    """What else a person has to know about the run, one sentence each."""
    files: int = 0
    """Files that were read."""
    documents: int = 0
    """YAML or JSON documents in them."""
    resources: int = 0
    """Kubernetes objects that were linted, members of lists counted one by one."""
    rules: int = 0
    """Rules that were enabled."""
