"""The inventory: one YAML file, loaded into typed values, with all of its mistakes reported at once."""

from rollout.inventory.load import load
from rollout.inventory.mistakes import InventoryError, Mistake
from rollout.inventory.model import Inventory

__all__ = ["Inventory", "InventoryError", "Mistake", "load"]
