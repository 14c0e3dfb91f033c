#!/usr/bin/env python3
"""Cuts the methods and bodies that the simulation accepts out of Google's own discovery documents.

The documents come in a wheel from PyPI (Apache-2.0); they are 5 MB and not committed, what is cut out is:

    pip download --no-deps google-api-python-client==2.202.0
    python extract.py google_api_python_client-2.202.0-py3-none-any.whl > google.json

Kept of a method: its id, verb, path, query parameters and body. Kept of a schema: what a value must look like. A
field that only the service writes has `readOnly` in the document, or says so at the start of its description.
"""

import json
import sys
import zipfile

DOCUMENTS = ["compute.v1", "cloudresourcemanager.v3"]

METHODS = {
    "compute.v1": {
        "networks": "insert get list patch delete addPeering removePeering updatePeering switchToCustomMode getEffectiveFirewalls",
        "subnetworks": "insert get list aggregatedList patch delete",
        "firewalls": "insert get list patch update delete",
        "networkFirewallPolicies": "insert get list aggregatedList patch delete addRule getRule patchRule removeRule cloneRules"
        " addAssociation getAssociation removeAssociation",
        "regionNetworkFirewallPolicies": "insert get list patch delete addRule getRule patchRule removeRule cloneRules"
        " addAssociation getAssociation removeAssociation getEffectiveFirewalls",
        "firewallPolicies": "insert get list patch delete addRule getRule patchRule removeRule cloneRules"
        " addAssociation getAssociation removeAssociation listAssociations",
        "instances": "insert get list aggregatedList delete setTags setLabels setServiceAccount start stop getEffectiveFirewalls",
        "instanceTemplates": "insert get list delete",
        "instanceGroupManagers": "insert get list aggregatedList delete resize recreateInstances listManagedInstances",
        "forwardingRules": "insert get list aggregatedList delete",
        "globalForwardingRules": "insert get list delete",
        "backendServices": "insert get list aggregatedList delete",
        "regionBackendServices": "insert get list delete",
        "healthChecks": "insert get list aggregatedList delete",
        "regionHealthChecks": "insert get list delete",
        "projects": "get getXpnHost getXpnResources listXpnHosts enableXpnHost disableXpnHost enableXpnResource disableXpnResource",
        "zones": "get list",
        "regions": "get list",
        "globalOperations": "get list wait",
        "regionOperations": "get list wait",
        "zoneOperations": "get list wait",
        "globalOrganizationOperations": "get list",
    },
    "cloudresourcemanager.v3": {
        "tagKeys": "create get getNamespaced list patch delete",
        "tagValues": "create get getNamespaced list patch delete",
        "tagBindings": "create list delete",
        "effectiveTags": "list",
        "projects": "create get list search",
        "folders": "create get list search",
        "organizations": "get search",
        "operations": "get",
    },
}

KEPT = ["type", "format", "enum", "pattern", "$ref"]


def schema(node):
    kept = {key: node[key] for key in KEPT if key in node}
    description = " ".join(node.get("description", "").split()).lower()
    if node.get("readOnly") or description.startswith(("[output only]", "output only")):
        kept["readOnly"] = True
    if "items" in node:
        kept["items"] = schema(node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        kept["additionalProperties"] = schema(node["additionalProperties"])
    if "properties" in node:
        kept["properties"] = {name: schema(field) for name, field in node["properties"].items()}
    return kept


def references(node):
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        for value in node.values():
            yield from references(value)


def closed(document, roots):
    """The schemas of the roots and of everything that they refer to."""
    found, to_do = {}, list(roots)
    while to_do:
        name = to_do.pop()
        if name not in found:
            found[name] = schema(document["schemas"][name])
            to_do.extend(references(found[name]))
    return found


def method(found):
    parameters = found.get("parameters", {})
    query = {name: schema(p) for name, p in parameters.items() if p["location"] == "query"}
    kept = {"id": found["id"], "verb": found["httpMethod"], "path": found.get("flatPath", found["path"]), "query": query}
    if "request" in found:
        kept["body"] = found["request"]["$ref"]
    return kept


def lines(items):
    return ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        read = {
            name: json.loads(wheel.read(f"googleapiclient/discovery_cache/documents/{name}.json")) for name in DOCUMENTS
        }
    source = {
        "source": "google-api-python-client, googleapiclient/discovery_cache/documents, cut by extract.py",
        "wheel": sys.argv[1].rsplit("/", 1)[-1],
        "license": "Apache-2.0, Copyright Google LLC",
        "revisions": {name: document["revision"] for name, document in read.items()},
    }
    parts = []
    for name, document in read.items():
        methods = [
            method(document["resources"][resource]["methods"][verb])
            for resource, verbs in METHODS[name].items()
            for verb in verbs.split()
        ]
        schemas = closed(document, {found["body"] for found in methods if "body" in found})
        parts.append(
            f'{json.dumps(name)}:{{"base":{json.dumps(document["servicePath"])},\n'
            f'"common":{json.dumps(sorted(document["parameters"]))},\n'
            f'"methods":[\n{lines(methods)}\n],\n"schemas":{{\n'
            + ",\n".join(f"{json.dumps(n)}:{json.dumps(s, separators=(',', ':'))}" for n, s in sorted(schemas.items()))
            + "\n}}"
        )
    print("{" + f'"about":{json.dumps(source)},\n' + ",\n".join(parts) + "}")


if __name__ == "__main__":
    main()
