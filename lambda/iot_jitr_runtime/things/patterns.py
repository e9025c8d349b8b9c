"""Names and values that AWS IoT accepts in its registry of things.

Source: AWS IoT API reference, CreateThing (`thingName`, `thingTypeName`, `AttributePayload`) and
AddThingToThingGroup (`thingGroupName`).
"""

import re

REGISTRY_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
"""Names of things, thing types and thing groups."""
REGISTRY_NAME_IN_WORDS = "1 to 128 of a-z A-Z 0-9 : _ -"

ATTRIBUTE_NAME = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
ATTRIBUTE_NAME_IN_WORDS = "1 to 128 of a-z A-Z 0-9 _ . , @ / : # -"

ATTRIBUTE_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,800}")
ATTRIBUTE_VALUE_IN_WORDS = "1 to 800 of a-z A-Z 0-9 _ . , @ / : # -"
