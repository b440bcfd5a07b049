"""The OpenAI-compatible API: /v1/images/generations, /v1/images/edits and /v1/models, over every vendor.

Start with `routes`. `parameters` maps what they send to our tools' parameters, `answers` and `streams` what comes back,
`errors` refusals.
"""
