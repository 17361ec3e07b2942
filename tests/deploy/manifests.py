"""Judges Kubernetes manifests and prints them as JSON.

`manifests.py VERSION…` reads YAML documents from standard input and holds each against the strict
schema of its kind in every named version of Kubernetes; kinds that the Prometheus operator adds have
their schemas in `schemas/`. Standard output is a JSON array of the documents. `manifests.py plain`
judges nothing. Exit code 1: a document is wrong; standard error says which and where.
"""

import json
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

SCHEMAS = Path(__file__).parent / "schemas"


class Strict(yaml.SafeLoader):
    """Refuses a mapping that names a key twice, of which YAML keeps the last."""


def mapping(loader, node):
    loader.flatten_mapping(node)  # `<<: *anchor`
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def judge(document, versions):
    added = SCHEMAS / f"{document['kind']}.json"
    if added.exists():
        jsonschema.Draft202012Validator(json.loads(added.read_text())).validate(document)
        return
    for version in versions:
        kubernetes_validate.validate(document, version, strict=True)


def main(versions):
    documents = [found for found in yaml.load_all(sys.stdin, Strict) if found is not None]
    wrong = False
    for document in documents if versions != ["plain"] else []:
        name = f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"
        try:
            judge(document, versions)
        except jsonschema.ValidationError as error:
            place = ".".join(str(part) for part in error.absolute_path)
            print(f"{name}: {place}: {error.message}", file=sys.stderr)
            wrong = True
        except kubernetes_validate.SchemaNotFoundError as error:
            print(f"{name}: {error.message}", file=sys.stderr)
            wrong = True
    if wrong:
        return 1
    json.dump(documents, sys.stdout, default=str)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
