"""What the pictures look like: near duplicates, labels that contradict each other, images unlike the rest.

========== =====================================================================================
`glance`   one decoded picture to 220 bytes: hash, thumbnail, brightness, contrast, colour, detail
`near`     which of many glances are copies of each other
`outliers` which glances are unlike the others
`seen`     what a finding is: a kind, a sentence, the images
`copies`   findings about images that resemble each other
`unlike`   findings about images that resemble no other, and about classes hardly present
`sheets`   a contact sheet for each finding
========== =====================================================================================

No model looks here, so that ``deit-finetune check`` needs no weights; what a label is wrong about while the picture is
sound takes a trained model.
"""
