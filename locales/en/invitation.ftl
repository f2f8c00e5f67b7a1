# The pages of an invitation: the invitation itself, the watch page of an app of another company, and the report of a chain.

title = { $operator } asks you to approve { $app }
title-several = { $operator } asks you to approve several apps

account-first = First: use your administrator account
account-roles = It is often not the account with which you read mail. It needs one of these roles: { $roles }.
account-private-window = A private window (also called InPrivate or Incognito) lets you choose the account. This is the link to copy into it:
pass-on = Not an administrator? Send them this

who-asks = Who asks
for-organisation = For
named-by-operator = (as named by { $operator })
unnamed-organisation = your organisation { $note }
unnamed-organisation-note = ({ $operator } gave no name in this link)
app = App
apps = Apps
link-works-until = Link works until
published-by = published by { $publisher }, not by { $operator }
published-by-other = published by another company, not by { $operator }
application-id = Application ID { $id }

asks-for = What { $app } asks for
microsoft-lists = Microsoft's page lists the lines in quotation marks, in the language of your account. It may add lines about signing in.
mark-far = Far-reaching
mark-far-note = "Far-reaching" is our own mark: it opens mail, files, the directory, groups, profiles, audit or security data of everybody, or changes something for everybody. { $operator } can tell you what it is needed for.
mark-unknown = Not known to us
mark-unknown-note = "Not known to us": our list of Microsoft's permissions does not have it. { $operator } can tell you what it allows.
not-required = (not required)
may-be-listed = (may be listed; not required)
ews-warning = An approval is not yet working mail.
ews-dates = Microsoft is switching off Exchange Web Services, a way in which this app reaches mailboxes: blocked from 1 October 2026 in every organisation that has not put the app on its list of those allowed, and gone on 1 April 2027.

happens = What happens next
happens-button = You press a button on this page. Where we can, we first look whether the approval is there already; if so, we tell you, and nothing else happens.
happens-microsoft = Microsoft's page opens. You sign in, read what it lists, and press Accept or Cancel. Nothing is approved before you press Accept.
happens-back = Microsoft sends you back to us. We ask Microsoft whether the approval is there, and show you what it answers.
happens-companion = A page of ours comes next. It opens Microsoft's page in a new tab, where you sign in, read what is listed, and press Accept or Cancel. Nothing is approved before you press Accept. Our page looks for the approval, since Microsoft does not send you back to us.
happens-companions = For an app that is not from { $operator }, a page of ours comes first. It opens Microsoft's page in a new tab and looks for the approval, since Microsoft does not send you back to us.
happens-several = Then the next app, in the order shown. Each step can be repeated, and you can go on another day with the same link.

genuine = How to tell this is genuine
genuine-call = Call { $operator } on the number you already have, not on one from a mail or from this page, and ask whether they sent it.
genuine-next-page = The next page must be at { $place }. If your organisation has a sign-in page of its own, that one comes in between.
genuine-microsoft-page = Microsoft's page must be at { $place }. If your organisation has a sign-in page of its own, that one comes in between.
genuine-names-app = It must name { $app }, and list the lines shown on this page.
genuine-names-publisher = It must name { $app } and its publisher ({ $publisher }), and list the lines shown on this page.
genuine-names-step = It must name the app of that step, and list the lines shown on this page.
genuine-in-doubt = If you are in doubt, ask { $operator } before you press Accept.
genuine-password = We never see your password. You type it at Microsoft, or at your organisation's own sign-in page, and nowhere else.
genuine-withdraw = You can withdraw the approval at any time: in the Microsoft Entra admin centre, open Enterprise applications and choose { $app }. Permissions shows what is approved; under Properties you can switch it off ("Enabled for users to sign in": No) or delete it.
# If Microsoft has not verified the publisher, its page says "unverified". This alone is no reason to cancel.
publisher-shown = Beside the name, Microsoft shows the publisher, or "unverified" where it has not verified one.
publisher-verified = Beside the name, Microsoft shows the publisher that it has verified: { $publisher }.
publisher-unverified = Beside the name, Microsoft shows "unverified", since it has not verified { $operator } as the publisher. That alone is no reason to cancel.

step-roles = Needs one of these roles: { $roles }.
step-published-by = Published by { $publisher }, not by { $operator }.
help = If Microsoft's page shows an error: { $link }
help-link = Help in a new tab
continue = Continue to Microsoft
continue-for = Continue to Microsoft for { $app }

# The watch page.

watch-open = Open Microsoft's page in a new tab
watch-must-name = It must be at { $place } and name { $app }.
watch-must-name-publisher = It must be at { $place } and name { $app } and its publisher ({ $publisher }).
watch-after = After Accept, the other tab may look broken
watch-after-codes = It may show an error ({ $first }, { $second } or { $third }), ask to open Settings, or stay blank. After Accept this is usually harmless: the approval is stored as a rule, and only the way back is missing. Close that tab and come back to this one: it shows whether the approval is there.
watch-seen = What we have seen so far
watch-enterprise-applications = Enterprise applications
watch-listed = listed under Enterprise applications
watch-not-listed = not listed so far
watch-listed-unseen = we cannot see
watch-for-everybody = Approval for everybody
watch-for-everybody-later = we cannot see yet
watch-looks = This page looks every { $seconds } seconds, for { $minutes } minutes at most.
watch-stop = Stop looking
watch-stopped = This page does not look by itself.
watch-look-again = Look again
watch-portal = If Microsoft's page does not get as far as Accept
watch-portal-path = In the Microsoft Entra admin centre, open Enterprise applications, choose { $app }, then Permissions, and press "Grant admin consent".
watch-portal-listed = An app is listed there once somebody in your organisation has signed in to it or approved it.

# The report of a chain.

report-progress = { $done } of { $total } apps approved
report-done = Everything is approved and confirmed
report-unchecked = We could not check every app.
report-part-done = Your part is done.
report-go-on = Go on with { $app }. Use your administrator account.
report-continue = Continue with { $app }
report-another-day = You can also go on another day, with the same link.
report-another-day-until = You can also go on another day, with the same link, until { $end }.
report-link-ended = This link can no longer be used. Please ask { $operator } for a new one: { $support }.
report-nothing-to-do = Nothing for you to do now
report-whose-turn = Each app below says whose turn it is.
report-organisation = Organisation
report-not-approved = Not approved yet
report-not-checked = Not checked
report-once-shown = We can check { $app } once Microsoft shows { $verifier }.
report-once-approved = We can check { $app } once { $verifier } is approved.
report-not-shown = This page does not show whether { $app } is approved.
report-last-checked = Last checked { $moment }
report-open-step = Open this step: { $app }
report-open-step-again = Open this step again: { $app }
