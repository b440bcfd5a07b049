"""The prompts: how to make a good image in few paid calls, for five tasks that people have."""

from __future__ import annotations

from collections.abc import Mapping

from atelier.server.mcp.guidance.prompt import Argument, Prompt

Values = Mapping[str, str]

MODEL = Argument("model", "A model or vendor, if one is wanted.", "model")
STYLE = Argument("style", "A style of the library, or a preset of the model.", "style")
ASPECT_RATIO = Argument("aspect_ratio", "Such as 16:9.", "aspect_ratio")

SHOW = "Show the user the path or link of each image; do not describe what you cannot see."


def _parameters(values: Values, *names: str) -> str:
    """Return the arguments that are also parameters of a tool, as a sentence for its call; empty without any."""
    pairs = [f'{name}="{values[name]}"' for name in names if values[name]]
    return f" Pass {', '.join(pairs)}." if pairs else ""


def _steps(task: str, *steps: str) -> str:
    return "\n".join([task, "", *(f"{number}. {step}" for number, step in enumerate(filter(None, steps), 1))])


def _art_direct(values: Values) -> str:
    return _steps(
        f"Direct an image for this brief: {values['brief']}",
        "If the subject, the use or the mood is open, ask at most two short questions. Otherwise begin.",
        ""
        if values["style"]
        else "If the brief asks for a house style, call list_models with word=styles and use one.",
        "Write the prompt in this order: subject and action, setting, composition and viewpoint, light, colours, "
        "medium. Put lettering in quotation marks, word for word. Leave out what the brief does not need.",
        "Call estimate_cost with that prompt and compare=true, and tell the user the price of the model you choose.",
        "Draft with generate_image: n=1 and the lowest quality that the model has."
        + _parameters(values, "model", "style", "aspect_ratio"),
        f"{SHOW} Ask what should change.",
        "Change one thing in each call: edit_image with the asset id as image, the change as prompt, and the words "
        "that the rest stays as it is. If the draft misses the idea, write a better prompt; do not repeat the call.",
        "When the user agrees, estimate the final image at full quality, say what it costs, and make it once.",
        "If the look is to be used again, call get_image with save_style and a short name.",
    )


def _product_shot(values: Values) -> str:
    count = values["count"] or "1"
    return _steps(
        f"Make product photographs of {values['product']} from the image {values['image']}."
        + (f" Scene: {values['scene']}." if values["scene"] else ""),
        "Look at the image first: get_image for an asset id. Note shape, materials, and the lettering of the label.",
        f"Call estimate_cost with image, prompt and n={count}, and tell the user the price before the first paid call.",
        "Call edit_image with the image and n=1. Say in the prompt: keep the product exactly as it is, with its shape, "
        "colours and label; change the surroundings, the surface, and the light; add a natural shadow. For a plain or "
        "transparent background use operation=remove_background or operation=replace_background."
        + _parameters(values, "model", "style", "aspect_ratio"),
        f"{SHOW} Compare the label and the proportions with the original. If they changed, use a mask that leaves the "
        "product out, or a model that keeps details better, instead of the same call again.",
        f"Make {count} in all, each with another viewpoint or light, each from the original image and not from an edit."
        if count != "1"
        else "",
        'For shops deliver exact sizes: get_image with deliver="1200x1200 pad" makes a copy for free.',
    )


def _edit_plan(values: Values) -> str:
    return _steps(
        f"Plan and make this change of the image {values['image']}: {values['change']}",
        "Call get_image to see the image, its size and how it was made.",
        "Split the change into single edits and order them: first what alters the composition (outpaint, "
        "replace_background), then objects (inpaint with a mask, search_replace with search, erase with a mask, "
        "recolor with search), then the whole (edit, upscale). Show the plan and wait for the user's word.",
        "Call estimate_cost for each edit with its operation, and tell the sum.",
        "Make one edit at a time with edit_image, from the asset id of the previous result, n=1. Say what changes and "
        "what stays. A mask is as large as the image: transparent or white is what changes."
        + _parameters(values, "model"),
        f"{SHOW} Check each result before the next edit; go back to an earlier asset id when one went wrong.",
        "Name the asset id of the final image.",
    )


def _compare_models(values: Values) -> str:
    named = [name.strip() for name in values["models"].split(",") if name.strip()]
    models = "[" + ", ".join(f'"{name}"' for name in named) + "]"
    choose = (
        f"Use models={models}."
        if named
        else "Choose up to four models of different vendors that suit the prompt; list_models shows what each can do."
    )
    return _steps(
        f"Compare image models on this prompt: {values['prompt']}",
        "Call estimate_cost with the prompt and compare=true. Leave out models that cannot do what the prompt needs.",
        choose,
        "Tell the user the sum, and wait for a yes if it is more than a few cents.",
        "Call generate_image once with the prompt, models, and n=1: it draws with all of them, and checks the sum of "
        "their prices as one. Do not call it once for each model." + _parameters(values, "aspect_ratio", "size"),
        "Show the contact sheet and the paths or links. For each model give price, seconds, and what you see: how well "
        "it follows the prompt, its lettering, hands, and detail.",
        "Recommend one for the final image and one for cheap drafts, and let the user decide.",
    )


def _brand_board(values: Values) -> str:
    assets = values["assets"] or "a logo, an icon, a poster and a pattern"
    character = f" Character: {values['character']}." if values["character"] else ""
    colours = f" Colours: {values['colours']}." if values["colours"] else ""
    return _steps(
        f"Make a brand board for {values['brand']}: {assets}.{character}{colours}",
        "" if colours else "Propose a palette of four or five colours as hex values, and wait for the user's choice.",
        "Call estimate_cost for one image and tell the price of the whole board before the first paid call.",
        "Draft the most important asset with generate_image: n=1, low quality, the colours as hex values in the "
        "prompt, the name in quotation marks, flat shapes for a logo. Use background=transparent with "
        "output_format=png for logos and icons, where the model has it." + _parameters(values, "model", "style"),
        f"{SHOW} Change it with edit_image until the user agrees.",
        "" if values["style"] else "Keep the look: get_image with save_style and the name of the brand.",
        "Make the other assets with generate_image, n=1 each, with that style and the aspect ratio of their use: 1:1 "
        "for logo and icon, 2:3 for a poster, 16:9 for a banner.",
        "Close with a table: asset, asset id, path or link, model, cost; and the sum.",
    )


PROMPTS = (
    Prompt(
        name="art_direct",
        title="Direct an image",
        description="From a brief to a finished image: a cheap draft first, then single changes.",
        arguments=(
            Argument("brief", "What the image is for and what it shows.", required=True),
            STYLE,
            ASPECT_RATIO,
            MODEL,
        ),
        text=_art_direct,
    ),
    Prompt(
        name="product_shot",
        title="Product photographs",
        description="Put a product into scenes without changing the product.",
        arguments=(
            Argument("product", "What the product is.", required=True),
            Argument("image", "Its photograph: an asset id, last, an address or a path.", "image", required=True),
            Argument("scene", "Surroundings and light."),
            Argument("count", "How many; 1 when left out.", "count"),
            STYLE,
            ASPECT_RATIO,
            MODEL,
        ),
        text=_product_shot,
    ),
    Prompt(
        name="edit_plan",
        title="Plan an edit",
        description="Split a large change into single edits with the right operations.",
        arguments=(
            Argument("image", "An asset id, last, an address or a path.", "image", required=True),
            Argument("change", "What the result should be.", required=True),
            MODEL,
        ),
        text=_edit_plan,
    ),
    Prompt(
        name="compare_models",
        title="Compare models",
        description="Draw one prompt with several models side by side, and choose.",
        arguments=(
            Argument("prompt", "What to draw.", required=True),
            Argument("models", "Models or vendors, separated by commas.", "models"),
            ASPECT_RATIO,
            Argument("size", "Such as 1024x1024, in place of aspect_ratio.", "size"),
        ),
        text=_compare_models,
    ),
    Prompt(
        name="brand_board",
        title="A brand board",
        description="Logo, icon, poster and more in one look.",
        arguments=(
            Argument("brand", "Its name and what it does.", required=True),
            Argument("character", "Such as calm, precise, playful."),
            Argument("colours", "Colours, such as #0b132b and #5bc0be."),
            Argument("assets", "What to make; logo, icon, poster and pattern when left out."),
            STYLE,
            MODEL,
        ),
        text=_brand_board,
    ),
)
"""Every prompt, in the order of `prompts/list`."""
