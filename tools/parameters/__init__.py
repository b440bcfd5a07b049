"""The parameters of the tools: described once, validated, and refused in one sentence.

Start with `fields`; `arguments` turns what a client sent into a tool's parameters.
"""
