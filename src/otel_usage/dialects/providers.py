"""Who served a call: providers by host, and by the names that emitters give them.

The names are OpenTelemetry's where it has one (`gen_ai.provider.name`), else genai-prices'.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

BEDROCK: Final = "aws.bedrock"
VERTEX: Final = "gcp.vertex_ai"
GEMINI: Final = "gcp.gemini"
AZURE_OPENAI: Final = "azure.ai.openai"
AZURE: Final = "azure.ai.inference"

HOSTS: Final[Mapping[str, str]] = {
    "api.openai.com": "openai",
    "anthropic.com": "anthropic",
    "openai.azure.com": AZURE_OPENAI,
    "openai.azure.us": AZURE_OPENAI,
    "cognitiveservices.azure.com": AZURE_OPENAI,
    "api.cognitive.microsoft.com": AZURE_OPENAI,
    "services.ai.azure.com": AZURE,
    "models.ai.azure.com": AZURE,
    "generativelanguage.googleapis.com": GEMINI,
    "aiplatform.googleapis.com": VERTEX,
    "openrouter.ai": "openrouter",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
    "api.together.xyz": "together_ai",
    "api.together.ai": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.cerebras.ai": "cerebras",
    "api.novita.ai": "novita",
    "api.minimax.io": "minimax",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
    "api.voyageai.com": "voyageai",
    "githubcopilot.com": "github-copilot",
    "cloud.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "inference.baseten.co": "baseten",
    "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra",
    "integrate.api.nvidia.com": "nvidia",
    "dashscope.aliyuncs.com": "alibaba",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
}
"""A host is a provider's if it is one of these names, or ends in a dot and one of them."""

_REGIONAL: Final = (
    (
        re.compile(r"(?:^|\.)bedrock[a-z-]*\.([a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws)$"),
        BEDROCK,
    ),
    (re.compile(r"^([a-z]+-[a-z]+\d+)-aiplatform\.googleapis\.com$"), VERTEX),
    (re.compile(r"^aiplatform\.([a-z0-9-]+)\.rep\.googleapis\.com$"), VERTEX),
    (re.compile(r"^([a-z0-9]+)\.api\.cognitive\.microsoft\.com$"), AZURE_OPENAI),
    (re.compile(r"^([a-z0-9-]+)\.api\.openai\.com$"), "openai"),
    (re.compile(r"^([a-z0-9-]+)\.api\.x\.ai$"), "x_ai"),
    (re.compile(r"^([a-z0-9-]+)\.ml\.cloud\.ibm\.com$"), "ibm.watsonx.ai"),
)
"""Hosts that say the region."""

_OWN_NAMES: Final = (
    *(
        "openai",
        "anthropic",
        BEDROCK,
        AZURE_OPENAI,
        AZURE,
        GEMINI,
        VERTEX,
        "gcp.gen_ai",
        "cohere",
        "deepseek",
    ),
    *(
        "groq",
        "ibm.watsonx.ai",
        "mistral_ai",
        "moonshot_ai",
        "perplexity",
        "x_ai",
        "openrouter",
        "together_ai",
    ),
    *("fireworks_ai", "cerebras", "novita", "minimax", "zai", "zhipuai", "voyageai", "databricks", "baseten"),
)
NAMES: Final[Mapping[str, str]] = {name: name for name in _OWN_NAMES} | {
    "azure": AZURE_OPENAI,
    "azure_openai": AZURE_OPENAI,
    "azure-openai": AZURE_OPENAI,
    "azure_ai": AZURE,
    "azure_ai_inference": AZURE,
    "az.ai.openai": AZURE_OPENAI,
    "az.ai.inference": AZURE,
    "aws": BEDROCK,
    "amazon": BEDROCK,
    "amazon_bedrock": BEDROCK,
    "amazon-bedrock": BEDROCK,
    "bedrock": BEDROCK,
    "aws_bedrock": BEDROCK,
    "bedrock_converse": BEDROCK,
    "google": "gcp.gen_ai",
    "google_genai": "gcp.gen_ai",
    "gemini": GEMINI,
    "google.generative-ai": GEMINI,
    "google_ai_studio": GEMINI,
    "google-gla": GEMINI,
    "vertex": VERTEX,
    "vertex_ai": VERTEX,
    "vertexai": VERTEX,
    "google.vertex": VERTEX,
    "google-vertex": VERTEX,
    "google_vertexai": VERTEX,
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "xai": "x_ai",
    "x-ai": "x_ai",
    "x.ai": "x_ai",
    "together": "together_ai",
    "togetherai": "together_ai",
    "fireworks": "fireworks_ai",
    "watsonx": "ibm.watsonx.ai",
    "ibm.watson.ai": "ibm.watsonx.ai",
    "cohere_chat": "cohere",
    "pplx": "perplexity",
}
"""Names in lower case, and what they are here. Of a name with dots its beginning is enough
(`openai.responses`). A name that is not here stays as it is."""

NOT_PROVIDERS: Final = frozenset(
    {
        *(
            "strands-agents",
            "strands_agents",
            "langchain",
            "langgraph",
            "llama_index",
            "llamaindex",
            "crewai",
        ),
        *("microsoft.agent_framework", "agent_framework", "openai_agents", "pydantic_ai", "pydantic-ai"),
        *("haystack", "ag2", "agno", "smolagents", "litellm", "semantic_kernel", "dspy", "autogen", "mem0"),
        *("google_adk", "claude_agent_sdk", "browser_use", "controlflow", "dynamiq", "julep", "letta"),
        *("gateway", "unknown", "none", "null", "_other"),
    }
)
"""What emitters write where a provider should be: frameworks, and nothing."""

SERVICE_TIERS: Final[Mapping[str, str]] = {"normal": "standard"}
"""Tiers by another name than the provider's bill has."""

_HOST: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@]*@)?([^/:?#]+)", re.IGNORECASE)
_REMEMBERED: Final = 16_384


@dataclass(frozen=True, slots=True)
class Served:
    """A provider and a region; empty if not known."""

    provider: str = ""
    region: str = ""


@lru_cache(_REMEMBERED)
def by_host(host: str) -> Served:
    """Who answers at a host: a name, a name with a port, or a URL."""
    match = _HOST.match(host.strip())
    name = match[1].lower().rstrip(".") if match else ""
    for pattern, provider in _REGIONAL:
        if found := pattern.search(name):
            return Served(provider, found[1])
    parts: Sequence[str] = name.split(".")
    for first in range(len(parts)):
        if provider := HOSTS.get(".".join(parts[first:]), ""):
            return Served(provider)
    return Served()


@lru_cache(_REMEMBERED)
def by_name(name: str) -> str:
    """The provider of that name; empty if it is none, and the name itself if it is not known."""
    spelled = name.strip().lower()
    if spelled in NOT_PROVIDERS:
        return ""
    parts = spelled.split(".")
    for end in range(len(parts), 0, -1):
        if known := NAMES.get(".".join(parts[:end])):
            return known
    return name
