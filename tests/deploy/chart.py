"""Lints and renders the Helm chart without a cluster.

`chart.py lint CHART VALUES` prints one line per finding; exit code 1 where there is one.
`chart.py render CHART VALUES` prints the manifests as YAML, `chart.py notes CHART VALUES` what an
operator reads after the installation. Exit code 1: schema or templates refuse the values, and standard
error says why. The release is `demo` in the namespace `login`.
"""

import sys
from pathlib import Path

import helm_python as helm

HARMLESS = "icon is recommended"


def lint(chart, values):
    report = helm.lint(chart, values, strict=True, namespace="login")
    found = [note for note in report["messages"] if HARMLESS not in note["error"]]
    for note in found:
        print(f"{note['path']}: {note['error']}")
    return 1 if found else 0


def render(chart, values, wanted):
    with helm.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        manifests = loaded.render(values, name="demo", namespace="login")
    for path, text in sorted(manifests.items()):
        if path.endswith("NOTES.txt") == (wanted == "notes") and text.strip():
            print(text if wanted == "notes" else f"---\n# Source: {path}\n{text}")
    return 0


def main(action, chart, values):
    values = helm.values_from_yaml(Path(values).read_text())
    try:
        return lint(chart, values) if action == "lint" else render(chart, values, action)
    except helm.HelmError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
