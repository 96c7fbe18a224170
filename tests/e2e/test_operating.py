import pytest
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
def test_it(chain):
    assert chain.submitted.returncode == 0
    print(chain.result)
    assert 0
