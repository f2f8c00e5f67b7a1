# The pages of an invitation: the invitation itself, the watch page of an app of another company, and the report of a chain.

title = Approve { $app } for { $organisation }
title-unnamed = Approve { $app } for your organisation
title-several = Approve { $count } apps for { $organisation }
title-several-unnamed = Approve { $count } apps for your organisation
lead = { $who } asks you, as an administrator of { $organisation }, to let this app into your Microsoft 365.
lead-unnamed = { $who } asks you, as an administrator of your organisation, to let this app into your Microsoft 365.
lead-several = { $who } asks you, as an administrator of { $organisation }, to let these { $count } apps into your Microsoft 365, one after the other.
lead-several-unnamed = { $who } asks you, as an administrator of your organisation, to let these { $count } apps into your Microsoft 365, one after the other.
named-by-operator = (as named by { $operator })
published-by = Published by { $publisher }, not by { $operator }
published-by-other = Published by another company, not by { $operator }

can-do = What the app will be able to do
microsoft-shows = Microsoft shows: { $line }
microsoft-may-show = Microsoft may show: { $line }
permission-of = A permission of { $resource }
of-signed-in = (for the person who is signed in)
optional = Optional.
mark-far = High impact
mark-far-note = "High impact" is our label for permissions worth a closer look.
mark-unknown = Not known to us
mark-unknown-note = "Not known to us": our list of Microsoft's permissions lacks it. { $operator } can explain it.
more-permissions = { $count ->
    [one] { $count } more permission
   *[other] { $count } more permissions
}
in-background = It works in the background, even when no one is signed in.
for-signed-in = It acts for the person who signed in, within that person's own rights.
only-reads = With these permissions it cannot change, delete or send anything.
ews-announced = From 1 October 2026, Microsoft blocks Exchange Web Services for apps that your organisation has not allowed.
ews-blocked = Since 1 October 2026, Microsoft blocks Exchange Web Services for apps that your organisation has not allowed.
ews-phones = iPhones and iPads are not affected, Macs are.
ews-allow = Allow { $app } to use Exchange Web Services
ews-allow-note = For an administrator of Exchange, in Exchange Online PowerShell. The commands keep the apps that are allowed already. A change can take 24 hours. On 1 April 2027, Microsoft ends Exchange Web Services for all apps.
roles = Sign in as { $roles }.
roles-account = This is often not the account you use for email.
help = Stuck at Microsoft? { $link }
help-link = Help in a new tab
continue = Continue to Microsoft
step-optional = (optional)
continue-for = Continue to Microsoft for { $app }
until-accept = Nothing is approved until you press Accept at { $place }. Not expecting this? Call { $operator } on a number you already have.
link-works-until = This link works until { $end }

pass-on = I'm not an administrator
pass-on-how = Please pass this page on to someone who has one of these roles. Opening or forwarding it changes nothing.
account = Use a different account
account-private-window = Right-click this link (on a phone, press and hold it) and choose "Open in private window". There you can choose the account:
account-link = This page at { $host }

happens = What happens next, and can I undo it?
happens-button = We first check whether it's already approved. If it is, you're done.
happens-microsoft = Microsoft's page opens. You sign in and press Accept or Cancel.
happens-back = You come back here, and we check the result with Microsoft.
happens-companion = Our next page opens Microsoft's page in a new tab, where you sign in and press Accept or Cancel. Our page looks for the approval, since Microsoft does not send you back to us.
happens-companions = For an app that is not from { $operator }, a page of ours comes first. It opens Microsoft's page in a new tab and looks for the approval, since Microsoft does not send you back to us.
happens-several = Then the next app follows. You can repeat each step, and you can go on another day with the same link.
undo = To undo it later:
undo-open = In the Microsoft Entra admin centre, open Entra ID, then Enterprise apps.
undo-app = Choose { $app }. Permissions shows what is approved.
undo-properties = Under Properties, delete it. To pause it instead, set "Enabled for users to sign in" to No.

genuine = How do I know this is genuine?
genuine-call = Call { $operator } on a number you already have, not one from this page or an email, and ask whether they sent it.
genuine-reference = Your reference is { $reference }.
genuine-next-page = The next page's address starts with { $place }. Your organisation's own sign-in page may come in between.
genuine-microsoft-page = The address of Microsoft's page starts with { $place }. Your organisation's own sign-in page may come in between.
genuine-names-app = It names { $app } and lists the lines shown here. If it names another app, press Cancel.
genuine-names-publisher = It names { $app } and its publisher ({ $publisher }), and lists the lines shown here. If it names another app, press Cancel.
genuine-names-step = It names the app of that step and lists the lines shown here. If it names another app, press Cancel.
genuine-organisation = { $operator } named your organisation in this link.
genuine-password = We never see your password. You type it at Microsoft, or at your organisation's own sign-in page, and nowhere else.
application-id = The application ID of { $app } is { $id }.
# If Microsoft has not verified the publisher, its page says "unverified". This alone is no reason to cancel.
publisher-shown = Next to the name, Microsoft shows the publisher, or "unverified" where it has not verified one.
publisher-verified = Next to { $app }, Microsoft shows the publisher { $publisher }.
publisher-unverified = Next to { $app }, Microsoft shows "unverified", since it has not verified { $operator } as the publisher. That alone is no reason to cancel.

# The watch page.

watch-open = Open Microsoft's page in a new tab
watch-names = Check that it is at { $place } and names { $app }.
watch-names-publisher = Check that it is at { $place } and names { $app } and its publisher ({ $publisher }).
watch-after = After Accept, the other tab may look broken
watch-after-codes = It may show an error ({ $first }, { $second } or { $third }), ask to open Settings, or stay blank. After Accept this is usually harmless: the approval is stored as a rule, and only the way back is missing. Close that tab and come back to this one: it shows whether the approval is there.
watch-seen = What we have seen so far
watch-enterprise-applications = Enterprise applications
watch-listed = listed under Enterprise applications
watch-not-listed = not listed so far
watch-listed-unseen = we cannot see
watch-for-everybody = Approval for everyone
watch-for-everybody-later = we cannot see yet
watch-looks = This page looks every { $seconds } seconds, for { $minutes } minutes at most.
watch-stop = Stop looking
watch-stopped = This page does not look by itself.
watch-look-again = Look again
watch-portal = If Microsoft's page does not get as far as Accept
watch-portal-app = Open All applications and choose { $app }.
watch-portal-grant = Open Permissions and press "Grant admin consent".
watch-portal-listed = An app is listed there once a person in your organisation has signed in to it or approved it.

# The report of a chain.

report-progress = { $done } of { $total } apps approved
report-done = Everything is approved and confirmed
report-unchecked = We could not check every app.
report-part-done = Your part is done.
report-go-on = Go on with { $app }. Use your administrator account.
report-continue = Continue with { $app }
report-another-day = You can also go on another day, with the same link.
report-another-day-until = You can also go on another day, with the same link, until { $end }.
report-open-link = Open the link again from the original message. If you no longer have it, ask { $operator }: { $support }.
report-link-ended = This link can no longer be used. Please ask { $operator } for a new one: { $support }.
report-nothing-to-do = Nothing for you to do now
report-whose-turn = Each app below says whose turn it is.
report-organisation = Organisation
report-not-approved = Not approved yet
report-not-checked = Not checked
report-once-shown = We can check { $app } once Microsoft shows { $verifier }.
report-once-approved = We can check { $app } once { $verifier } is approved.
report-not-shown = This page does not show whether { $app } is approved.
report-skipped = This app is optional, so your organisation goes on without it.
report-last-checked = Last checked { $moment }
report-open-step = Open this step: { $app }
report-open-step-again = Open this step again: { $app }
