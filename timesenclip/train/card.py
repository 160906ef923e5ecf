"""x"""
from typing import Any
calibrate=measure=model_card=None
