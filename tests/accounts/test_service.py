from parley.accounts import service as accounts


async def test_an_app_is_found_in_its_organization(app_scope):
    assert (await accounts.get_app(app_scope, app_scope.app_id)).name == "First app"
