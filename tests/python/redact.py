#!/usr/bin/env python3
"""Replaces cloud ids in a transcript, so that it can be compared: reads standard input, writes standard output."""

import re
import sys

IDS = re.compile(r"\b(sg|eni|vpc|i|sgr|pcx|acl|subnet)-[0-9a-f]{16,18}\b")
NAMES = re.compile(r"\b(bulkhead-[a-z0-9-]+?)-(?:[0-9a-f]{12}(-[0-9]+)?|(?:(?<=closed-in-)|(?<=probes-))[0-9a-f]{8})\b")
TAGS = re.compile(r"\b(tagValues|tagKeys)/[0-9]+\b")

for line in sys.stdin:
    sys.stdout.write(TAGS.sub(r"\1/ID", NAMES.sub(r"\1-HASH", IDS.sub(r"\1-ID", line))))
