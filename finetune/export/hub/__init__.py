"""A run as a model repository of the Hub.

=============== ================================================================================================
`folder`        what is written, and how it is checked
`facts`         what a card is written from
`model_card`    the card; `card_metadata` its header, `limitations` what it warns of, `markdown` its names and numbers
`public_recipe` the recipe without what is private
`licence`       of what a model began from
`widget`        example images on the model's page
`push`          the upload
=============== ================================================================================================
"""

from finetune.export.hub.folder import HubExport, export_hub

__all__ = ["HubExport", "export_hub"]
