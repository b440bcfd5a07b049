"""The vendors of this distribution for the conformance suite of the test kit: one bench for each."""
