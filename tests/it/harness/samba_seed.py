"""Fills the database of a stopped Samba: python3 samba_seed.py FOLDER USERS"""

import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

folder, count = sys.argv[1], int(sys.argv[2])
settings = LoadParm()
settings.load(folder + "/etc/smb.conf")
database = SamDB(url=folder + "/private/sam.ldb", session_info=system_session(), lp=settings)
base = database.domain_dn()
people, groups = "OU=People," + base, "OU=Groups," + base
SECURITY, DISTRIBUTION = "-2147483646", "2"
NORMAL, DISABLED, NEVER_EXPIRES = 512, 514, 65536


def password(text):
    return text.encode("utf-16-le")


def user(number, **more):
    name = f"u{number:06d}"
    entry = {
        "dn": f"CN=User {number:06d},{people}",
        "objectClass": "user",
        "sAMAccountName": name,
        "userPrincipalName": name + "@example.test",
        "displayName": f"User {number}",
        "givenName": "User",
        "sn": f"Nr{number}",
        "mail": name + "@example.test",
        "telephoneNumber": f"+31 {number}",
        "employeeID": str(number),
        "userAccountControl": str(NORMAL),
    }
    # A hash for each password is what takes long.
    if number <= 50:
        entry["clearTextPassword"] = password(f"Pw-{number}!x")
    else:
        entry["userAccountControl"] = str(NORMAL | 32)
    database.add(entry | more)


def group(name, members, kind=SECURITY):
    entry = {"dn": f"CN={name},{groups}", "objectClass": "group", "sAMAccountName": name, "groupType": kind}
    database.add(entry | ({"member": members} if members else {}))


database.transaction_start()
database.set_minPwdLength(1)
database.set_minPwdAge(0)
database.set_maxPwdAge(0)
database.set_pwdProperties("0")
database.modify_ldif(f"dn: {base}\nchangetype: modify\nreplace: lockoutThreshold\nlockoutThreshold: 5\n")
for unit in ("OU=People", "OU=Groups", "OU=Elsewhere", "OU=Sub,OU=People"):
    database.add({"dn": f"{unit},{base}", "objectClass": "organizationalUnit"})
database.add(
    {
        "dn": f"CN=reader,CN=Users,{base}",
        "objectClass": "user",
        "sAMAccountName": "reader",
        "userPrincipalName": "reader@example.test",
        "userAccountControl": str(NORMAL | NEVER_EXPIRES),
        "clearTextPassword": password("Reader-1!x"),
    }
)
for number in range(1, count + 1):
    if number == 2:
        user(number, userAccountControl=str(DISABLED))
    elif number == 3:
        user(number, accountExpires="132223104000000000")  # 2020-01-01
    elif number == 4:
        user(number, pwdLastSet="0")
    else:
        user(number)
everyone = [f"CN=User {number:06d},{people}" for number in range(1, count + 1)]
group("devs", everyone[:10])
group("ops", everyone[5:20])
group("tech", [f"CN=devs,{groups}", f"CN=ops,{groups}"])
group("all-staff", [f"CN=tech,{groups}"] + everyone[20:30])
group("dist-only", everyone[:3], DISTRIBUTION)
group("big", everyone)
database.transaction_commit()
