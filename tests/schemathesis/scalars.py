"""How schemathesis writes the scalars of ours that inputs take. Of one that it cannot write it says so and leaves the whole
operation unasked: those that take a secret, which are the ones to ask."""

from hypothesis import strategies
from schemathesis.graphql import nodes, scalar

scalar("HiddenText", strategies.text().map(nodes.String))
