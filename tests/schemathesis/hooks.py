"""What schemathesis is told besides its options: how it writes our scalars, what it need not build anew, and to say how far it
has come. The trap avoided: a scalar that it cannot write makes it leave the whole operation unasked: those that take a secret,
which are the ones to ask."""

import collections
import os
import sys
import threading
import time

import schemathesis
from hypothesis import strategies
from hypothesis_graphql import strategies as documents
from schemathesis.graphql import nodes, scalar

scalar("HiddenText", strategies.text().map(nodes.String))


def remembered(make):
    """It builds what draws an operation's documents anew for each document; kept, it draws the same ones, in the same order."""
    known = {}

    def strategy(schema, *, fields, mode, **rest):
        key = (id(schema), tuple(fields), mode)
        if key not in known:
            known[key] = make(schema, fields=fields, mode=mode, **rest)
        return known[key]

    return strategy


documents.queries = remembered(documents.queries)
documents.mutations = remembered(documents.mutations)


class Progress:
    """How far it has come, on standard error every so many seconds."""

    SECONDS = 15

    def __init__(self, who, examples):
        self.who, self.examples = who, examples
        self.asked = collections.Counter()
        self.lock = threading.Lock()
        self.began = self.told = time.monotonic()
        self.answers = 0

    def answered(self, operation, operations):
        with self.lock:
            self.asked[operation] += 1
            self.answers += 1
            now = time.monotonic()
            if now - self.told < self.SECONDS:
                return
            self.told = now
            print(self.line(now - self.began, operations), file=sys.stderr, flush=True)

    def line(self, seconds, operations):
        # What is asked beyond the examples, by things that hang together, is not awaited.
        examples = sum(min(asked, self.examples) for asked in self.asked.values())
        wanted, done = operations * self.examples, sum(asked >= self.examples for asked in self.asked.values())
        left = seconds / max(examples, 1) * (wanted - examples) / 60
        return (
            f"audit: {self.who}: {done} of {operations} operations are asked, {examples} of {wanted} examples, "
            f"{self.answers / seconds:.0f} answers a second, some {left:.0f} minutes to go"
        )


PROGRESS = Progress(os.environ.get("RHONE_AUDIT_WHO", "somebody"), int(os.environ.get("RHONE_AUDIT_EXAMPLES", "1")))


@schemathesis.hook
def after_call(context, case, response):
    PROGRESS.answered(case.operation.label, case.operation.schema.statistic.operations.selected)
