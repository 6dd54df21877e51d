from tests.orders.conftest import set_steps

__all__ = ["set_steps"]
