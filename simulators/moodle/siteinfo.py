"""
The site about itself (contract sections 2 and 3.5).
"""

from __future__ import annotations

from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import MoodleError
from simulators.moodle.records import names
from simulators.moodle.state import ProfileField

FEATURES = {"usecomments": 1, "usetags": 1, "enablenotes": 1, "messaging": 1, "enableblogs": 1, "enablecompletion": 1}
FEATURES |= {"enablebadges": 1, "messagingallusers": 0, "enablecustomreports": 1, "enableglobalsearch": 0}
FEATURES |= {"mnet_dispatcher_mode": 0, "enablecompetencies": 1}
POLICY = (
    "The password must have at least 8 characters, at least 1 digit(s), at least 1 lower case letter(s), at least 1 "
    "upper case letter(s), at least 1 special character(s) such as *, -, or #"
)


@function("core_webservice_get_site_info", {})
def get_site_info(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """Who is asking whom, and exactly the functions of the token's service."""
    from simulators.moodle.site import RELEASES

    release, version = RELEASES[call.site.release]
    settings, account = call.site.settings, call.account
    shown = names(call, account) | {"firstname": account.firstname, "lastname": account.lastname}
    record: dict[str, Any] = {"sitename": settings.sitename, "username": account.username, **shown, "lang": "en"}
    record |= {"userid": account.id, "siteurl": settings.url, "release": release, "version": version}
    record["userpictureurl"] = f"{settings.url}/theme/image.php/boost/core/1/u/f1"
    record["functions"] = [{"name": name, "version": _version(name, version)} for name in _functions(call)]
    record["advancedfeatures"] = [{"name": name, "value": value} for name, value in FEATURES.items()]
    if call.work.fields.get("moodlewsrestformat") != "json":
        record["usersessionscount"] = None  # XML names the keys that JSON leaves out
    return record | _limits(call) | {"userissiteadmin": call.is_admin, "theme": "boost", "policyagreed": 0}


def _version(name: str, version: str) -> str:
    """The version of the component a function is part of: plug-ins carry the one of the branch."""
    return version if name.startswith("core_") else f"{version[:8]}00"


def _functions(call: Call) -> list[str]:
    return sorted(call.state.tokens[call.work.fields["wstoken"]].functions)


def _limits(call: Call) -> dict[str, Any]:
    quota, largest = (0, -1) if call.is_admin else (104857600, 67108864)
    record: dict[str, Any] = {"downloadfiles": 0, "uploadfiles": 0, "mobilecssurl": "", "usercanmanageownfiles": True}
    record |= {"userquota": quota, "usermaxuploadfilesize": largest, "userhomepage": 1, "siteid": 1}
    record |= {"userprivateaccesskey": "PRIVATEKEY", "sitecalendartype": "gregorian", "usercalendartype": "gregorian"}
    return {**record, "limitconcurrentlogins": 0}


@function("auth_email_get_signup_settings", {})
def get_signup_settings(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """What self-registration asks for; an error unless it is switched on."""
    if not call.site.settings.registration:
        raise MoodleError("registrationdisabled", "Registration is disabled on this site")
    fields = enumerate(call.state.profile_fields.values(), start=1)
    record: dict[str, Any] = {"namefields": ["firstname", "lastname"], "passwordpolicy": POLICY, "warnings": []}
    record["extendedusernamechars"] = False
    shown = [_profile_field(number, field) for number, field in fields if field.signup]
    return record | ({"profilefields": shown} if shown else {})


def _profile_field(number: int, field: ProfileField) -> dict[str, Any]:
    first, second, third = _parameters(field)
    record: dict[str, Any] = {"id": number, "shortname": field.shortname, "name": field.name, "datatype": field.kind}
    record |= {
        "description": "",
        "descriptionformat": 0,
        "categoryid": 1,
        "categoryname": "HR data",
        "sortorder": number,
    }
    record |= {"required": 0, "locked": 0, "visible": 2, "forceunique": 0, "signup": 1, "defaultdata": field.default}
    record |= {"param1": first, "param2": second, "param3": third, "param4": "", "param5": ""}
    return {**record, "defaultdataformat": 0}


def _parameters(field: ProfileField) -> tuple[str, str, str]:
    if field.kind == "menu":
        return "\n".join(field.options), "\n".join(field.options), ""
    if field.kind == "datetime":
        return "1970", "2100", "0"
    return ("30", str(field.maxlength), "0") if field.kind == "text" else ("", "", "")
