"""What breaking things showed: one part of the campaign per module, each with a `run` that gives counts."""
from dataclasses import dataclass, field


@dataclass
class Count:
    "How often something was tried, how often it held, and what did not."
    tried: int = 0
    held: int = 0
    findings: list[str] = field(default_factory=list)      # one line each, with what is needed to try it again (seed, moment, payload)

    def add(self, held: bool, finding: str = "") -> None:
        "Count one more try."
        self.tried, self.held = self.tried + 1, self.held + bool(held)
        if not held: self.findings.append(finding)
