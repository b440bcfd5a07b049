"""Words and codes of refusals, at vendors, gateways and resellers, that say more than the status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

POLICY_CODES = re.compile(
    r"contentfilter|contentpolicy|contentmoderat|responsibleaipolicy|^moderation|promptblocked|safetyviolation"
    r"|sensitive(content|words)|unsafecontent|nsfwcontent|datainspectionfailed"
)
"""Codes of refusals of the content, in lower case without separators: OpenAI, Azure, LiteLLM, resellers."""

POLICY_WORDS = re.compile(
    r"content[ _-]?(management )?(policy|policies|filter|rules)|ContentPolicyViolation|responsible ai"
    r"|safety (system|filter|polic|guideline)|usage (guidelines|policies)|\bnsfw\b|flagged (as|by|for)"
    r"|guardrail|prompt (was |is )?blocked|(prohibited|inappropriate|sensitive) (content|words?)|敏感"
    r"|(?<!['\"`])\bmoderat\w*(?!['\"`\w])",  # in quotation marks it is the name of a parameter
    re.IGNORECASE,
)
"""Messages of such refusals that have no code. The Chinese word means sensitive."""

STATUSES_OF_POLICY = (*range(400), 400, 403, 422, 424, 446, 451)
"""Statuses whose message may be about the content; other statuses are about the key, the account or the load. 424 is
of Cloudflare's AI gateway, 446 of Portkey."""

OTHER_WORDS: Mapping[int, re.Pattern[str]] = {
    HTTPStatus.PAYMENT_REQUIRED: re.compile(
        r"insufficient[ _](account )?(balance|credit|fund|quota)|balance is (too low|insufficient|not enough)"
        r"|(out of|not enough|no( remaining)?) credits?\b|credits? (are|is|have been|has been) (exhausted|depleted)"
        r"|only (accessible|available) to (billed|paid|paying) (users|accounts)"
        r"|billing (hard )?limit|budget has been exceeded|key limit exceeded|spending limit"
        r"|quota exceeded for this key|TokenStatusExhausted|余额不足|额度不足",
        re.IGNORECASE,
    ),
    HTTPStatus.UNAUTHORIZED: re.compile(
        r"(invalid|incorrect|wrong|missing) (api|subscription)[ _-]?key|api[ _-]?key (is )?(not valid|invalid|expired)",
        re.IGNORECASE,
    ),
    HTTPStatus.NOT_FOUND: re.compile(
        r"invalid model name|(unknown|unsupported) model\b"
        r"|\bmodel\b.{0,80} (does not exist|is not supported|not found)",
        re.IGNORECASE,
    ),
}
"""Status -> messages that mean it, where a host answers with another one. The Chinese words mean an empty account."""

STATUSES: Mapping[str, int] = {
    word: status
    for status, words in {
        400: ("badrequest", "invalidrequesterror", "invalidargument", "failedprecondition", "invalidvalue"),
        401: ("unauthorized", "unauthenticated", "authenticationerror", "invalidapikey"),
        402: ("paymentrequired", "insufficientquota", "insufficientuserquota", "insufficientcredits",
              "insufficientbalance", "billinghardlimitreached"),
        403: ("forbidden", "permissiondenied", "permissionerror"),
        404: ("notfound", "notfounderror", "modelnotfound"),
        429: ("toomanyrequests", "ratelimited", "ratelimiterror", "ratelimitexceeded", "resourceexhausted"),
        500: ("internal", "internalerror", "internalservererror", "servererror"),
        503: ("unavailable", "serviceunavailable", "overloaded", "overloadederror"),
        504: ("timeout", "deadlineexceeded"),
    }.items()
    for word in words
}  # fmt: skip
"""Code in lower case without separators -> the HTTP status that it stands for."""
