# The words of the result pages, by outcome: a title, one or two sentences, the next step, and perhaps advice in case that does not help.
# `-unopened` is the sentence without a callback, and so without a record. `-already`: the button found the app approved. `-soon`: replicas of
# Microsoft may lag. No sentence begins with `{ $app }`, because an unknown app is
# "the app".

outcome-granted-title = Approved and confirmed
outcome-granted-title-already = Already approved
outcome-granted-sentence = We checked with Microsoft: your organisation has granted { $app } every permission that it needs.
outcome-granted-sentence-already = Your organisation has already granted { $app } every permission that it needs, so we did not send you to Microsoft. Nothing changed.
outcome-granted-next = You don't need to do anything else. You can print this page for your records.

outcome-granted-in-part-title = Approved in part
outcome-granted-in-part-sentence = Microsoft shows some of the permissions that { $app } needs, but not all of them.
outcome-granted-in-part-next = Open the link again and approve the app once more.
outcome-granted-in-part-next-soon = Microsoft may still be updating. Check again in a few minutes. If permissions are still missing 20 minutes after the approval, open the link again and approve the app once more.
outcome-granted-in-part-hint = A Global Administrator or a Privileged Role Administrator can approve every permission. Other roles may not be enough for all of them.

outcome-granted-in-excess-title = Approved, with additional permissions
outcome-granted-in-excess-title-already = Already approved, with additional permissions
outcome-granted-in-excess-sentence = Every permission that { $app } needs is approved. Microsoft also shows permissions that are not on the list of { $operator }.
outcome-granted-in-excess-sentence-already = Every permission that { $app } needs was already approved, so we did not send you to Microsoft, and nothing changed. Microsoft also shows permissions that are not on the list of { $operator }.
outcome-granted-in-excess-next = { $operator } will review the additional permissions. You don't need to do anything.
outcome-granted-in-excess-next-forbidden = { $operator } does not want some of these permissions, and will contact you. If you don't hear from them, contact them.
outcome-granted-in-excess-hint = Additional permissions often come from an earlier approval of the same app.

outcome-granted-unseen-title = Approved, but we can't see every permission
outcome-granted-unseen-sentence = Microsoft shows { $app } in your organisation, but does not let us see every permission that it needs.
outcome-granted-unseen-next = { $operator } will confirm the permissions that we could not see. You don't need to do anything.

outcome-disabled-title = The app is switched off in your organisation
outcome-disabled-sentence = Microsoft shows { $app } in your organisation, but it is switched off there, so no one can sign in to it.
outcome-disabled-next = Switch it on in the Microsoft Entra admin centre, then check again.
outcome-disabled-hint = If your organisation switched it off on purpose, please tell { $operator }.

outcome-pending-title = Almost there: Microsoft is still updating
outcome-pending-sentence = Microsoft does not show an approval of { $app } yet. This usually takes a few minutes.
outcome-pending-next = You don't need to do anything. Please don't approve the app again.
outcome-pending-hint = If you left Microsoft's page without pressing Accept, open the link again.

outcome-not-found-title = Not approved yet
outcome-not-found-sentence = A day after your visit, Microsoft shows no approval of { $app } in your organisation.
outcome-not-found-next = Open the link again, sign in as an administrator of your organisation, and press Accept on Microsoft's page.
outcome-not-found-hint = A Global Administrator or a Privileged Role Administrator can approve every permission. Other roles may not be enough for all of them.

outcome-declined-title = Not approved yet
outcome-declined-sentence = On Microsoft's page, { $app } was not approved. You may have cancelled, or asked your administrator for approval.
outcome-declined-next = If you cancelled by mistake, open the link again. If you asked for approval, an administrator of your organisation decides, and you can wait.
outcome-declined-hint = If you decided against it, you're done.

outcome-not-an-admin-title = This account can't approve the app
outcome-not-an-admin-sentence = Microsoft needs an administrator of your organisation to approve { $app }.
outcome-not-an-admin-next = Try again with an administrator account, or ask an administrator of your organisation to open the link.
outcome-not-an-admin-hint = A Global Administrator or a Privileged Role Administrator can approve every permission. Other roles may not be enough for all of them.

outcome-wrong-account-title = Another account is needed
outcome-wrong-account-sentence = The account that you chose on Microsoft's page does not belong to the organisation that this link is for, or it could not sign in.
outcome-wrong-account-next = Try again and choose an administrator's account of that organisation.
outcome-wrong-account-hint = If the browser keeps choosing the same account, use a private browser window.

outcome-blocked-by-policy-title = Your organisation's sign-in policy blocked this
outcome-blocked-by-policy-sentence = A sign-in rule of your organisation, such as Conditional Access, stopped the approval of { $app } or our check of it.
outcome-blocked-by-policy-next = Please ask the person who manages these rules to allow this. The details for support below show which rule it was. Then open the link again.

outcome-app-misconfigured-title = The app needs to be set up first
outcome-app-misconfigured-sentence = You did nothing wrong. The app or its link is not set up completely, so { $app } cannot be approved yet.
outcome-app-misconfigured-next = { $operator } needs to fix this. If you don't hear from them, send them the details for support below.

outcome-unknown-title = Microsoft returned an error that we can't interpret
outcome-unknown-sentence = We don't know whether { $app } can be approved.
outcome-unknown-next = Wait a few minutes, then open the link again. If you see this page again, send { $operator } the details for support below.

outcome-approval-requested-title = A request for approval is open
outcome-approval-requested-sentence = Microsoft shows an open request to approve { $app } in your organisation.
outcome-approval-requested-next = A reviewer in your organisation decides in the Microsoft Entra admin centre.

outcome-operator-fault-title = We could not check, and the fault is ours
outcome-operator-fault-sentence = You did nothing wrong. Our own settings do not work at the moment. We have recorded your visit.
outcome-operator-fault-sentence-unopened = You did nothing wrong. Our own settings do not work at the moment.
outcome-operator-fault-next = { $operator } needs to fix this. You don't need to do anything.

outcome-tenant-not-found-title = Microsoft does not know this organisation
outcome-tenant-not-found-sentence = You did nothing wrong. The link is for an organisation that does not exist in this Microsoft cloud.
outcome-tenant-not-found-next = { $operator } needs to send you a corrected link.

outcome-unavailable-title = We could not check yet
outcome-unavailable-sentence = We have recorded your visit. Microsoft has not answered all our questions about { $app }, so we don't know yet whether it is approved.
outcome-unavailable-sentence-unopened = Microsoft has not answered all our questions about { $app }, so we don't know yet whether it is approved.
outcome-unavailable-next = You don't need to do anything. You can check again in a few minutes.

outcome-wrong-tenant-title = You were signed in with an account from another organisation
outcome-wrong-tenant-sentence = The link from { $operator } is for one organisation, and Microsoft's answer came from another. We checked neither.
outcome-wrong-tenant-next = Try again and sign in as an administrator of the organisation that the link is for.

outcome-link-expired-title = This link has expired
outcome-link-expired-sentence = Links from { $operator } work for a limited time.
outcome-link-expired-next = Please ask { $operator } for a new link: { $support }.
outcome-link-expired-hint = If you already pressed Accept on Microsoft's page, the app may be approved. Please tell { $operator }.

outcome-link-damaged-title = This link cannot be read
outcome-link-damaged-sentence = A mail or chat program has probably cut the link, or added text to its end.
outcome-link-damaged-next = Open the link again from the original message.
outcome-link-damaged-hint = If that does not help, or if the link is not from { $operator }, please ask { $operator }: { $support }. If you already pressed Accept on Microsoft's page, the app may be approved.

outcome-link-revoked-title = This link was cancelled
outcome-link-revoked-sentence = { $operator } has cancelled this link, so it no longer works.
outcome-link-revoked-next = If you expected to use it, please ask { $operator } for a new link: { $support }.
outcome-link-revoked-hint = If you already pressed Accept on Microsoft's page, the app may be approved. Please tell { $operator }.

outcome-unsolicited-title = This page was opened without one of our links
outcome-unsolicited-sentence = Nothing is wrong, and we checked nothing. This happens when an administrator approves an app in Microsoft's own portal.
outcome-unsolicited-next = If { $operator } sent you a link, please open it again from the original message. If not, you don't need to do anything.

outcome-revoked-title = The approval has been removed
outcome-revoked-sentence = Microsoft showed an approval of { $app } earlier and shows none now. Your organisation withdrew it, or deleted the app.
outcome-revoked-next = If that was not intended, open the link again and approve the app once more.
outcome-revoked-hint = If it was intended, please tell { $operator }.

outcome-reduced-title = Some permissions have been removed
outcome-reduced-sentence = Microsoft showed every permission that { $app } needs earlier, and some of them are missing now.
outcome-reduced-next = If that was not intended, open the link again and approve the app once more.
outcome-reduced-hint = A later approval with fewer permissions can take permissions away. If it was intended, please tell { $operator }.

outcome-enlarged-title = The app has more permissions than before
outcome-enlarged-sentence = Every permission that { $app } needs is approved. Microsoft now also shows permissions that are not on the list of { $operator }.
outcome-enlarged-next-forbidden = { $operator } does not want some of these permissions, and will contact you. If you don't hear from them, contact them.
outcome-enlarged-next = { $operator } will review the additional permissions. You don't need to do anything.

outcome-tenant-gone-title = This organisation no longer exists at Microsoft
outcome-tenant-gone-sentence = Microsoft answered that the organisation that this link is for no longer exists.
outcome-tenant-gone-next = { $operator } needs to update its list. If this surprises you, please ask them: { $support }.

outcome-awaiting-confirmation-title = { $operator } will confirm your organisation
outcome-awaiting-confirmation-sentence = Any organisation can use this link. We check nothing until { $operator } has confirmed that yours is the right one.
outcome-awaiting-confirmation-next = { $operator } needs to confirm your organisation. You don't need to do anything.

outcome-reported-unverified-title = Recorded, but not checked
outcome-reported-unverified-sentence = We have recorded your visit. We don't have access to check your organisation, so we can't say whether { $app } is approved.
outcome-reported-unverified-sentence-unopened = We don't have access to check your organisation, so we can't say whether { $app } is approved.
outcome-reported-unverified-next = { $operator } will confirm the approval in another way. You don't need to do anything.

# More exact words, if the cause of an outcome is known. `{ $resource }` is the service that an app needs and the organisation lacks.

switched-off-title = A service is switched off in your organisation
switched-off-sentence = { $resource }, which { $app } needs, is switched off in your organisation. Often its subscription has ended.
switched-off-next = Check the subscription of { $resource }. Then switch the service on in the Microsoft Entra admin centre, and check again.

missing-resource-title = Your organisation is missing a Microsoft service
missing-resource-sentence = Your organisation does not have { $resource }, which { $app } needs.
missing-resource-next = Check whether your organisation has a licence for { $resource }: a smaller licence may not include it. If it has one, an administrator can add the service with Microsoft Graph PowerShell: New-MgServicePrincipal -AppId { $resource-id }. If not, please tell { $operator }.

check-refused-title = Recorded, and not checked yet
check-refused-sentence = We have recorded your visit. Microsoft refused our check of { $app }, so we don't know yet whether it is approved. You did nothing wrong.
check-refused-sentence-unopened = Microsoft refused our check of { $app }, so we don't know yet whether it is approved. You did nothing wrong.
check-refused-next = { $operator } needs to look at this. You don't need to do anything.

awaits-verifier-title = Waiting for Microsoft to show our reader
awaits-verifier-sentence = Microsoft does not show our reader yet, the app with which { $operator } checks { $app }. After its approval, a delay of some minutes is common.

blocked-by-microsoft-title = Microsoft did not let this through
blocked-by-microsoft-sentence = Microsoft stopped the approval of { $app } or our check of it.

check-blocked-sentence = A sign-in rule of your organisation, such as Conditional Access, does not let us check { $app }. It may be approved or not: we cannot see.
check-blocked-next = Please ask the person who manages these rules to allow our check. { $operator } can explain what it needs.

other-tenant-hint = Microsoft sent you back from another organisation than the one that the link is for. Were you signed in with another account?

# Of an app of a chain that has another one.

next-app = This app is done. Go on with the next one.

# Of an app that only the worker checks: no check has run, and the page never shows the result.

confirmed-later-title = Recorded: we check after your visit
confirmed-later-sentence = We have recorded your visit. After it, we ask Microsoft whether { $app } is approved. { $operator } can see the answer in its records. This page does not show it.
confirmed-later-next = You don't need to do anything. { $operator } will contact you if something else is needed.
confirmed-later-hint = If you left Microsoft's page without pressing Accept, open the link again.

not-arranged-title = Recorded, and not checked yet
not-arranged-sentence = We have recorded your visit. You did nothing wrong: we could not plan our check of { $app } yet.
not-arranged-next = Please reload this page in a minute. If it stays like this, please tell { $operator }: { $support }.

# The watch page: the approval happens in another tab, and Microsoft never redirects back from there.

watch-approve-next = Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then come back to this tab.
watch-pending-title = Approve { $app } at Microsoft
watch-pending-sentence = Microsoft does not show an approval of { $app } for your whole organisation yet. After Accept, a delay of some minutes is common.
watch-unverified-title = Approve { $app } at Microsoft: we cannot check it
watch-unverified-sentence = We have no right to look in your organisation, so this page will not show whether { $app } is approved. Nothing is counted as approved because of it.
watch-unverified-next = Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then look whether { $app } is listed in the Microsoft Entra admin centre under Enterprise apps, and tell { $operator }.
watch-in-part-next = If permissions are still missing twenty minutes after Accept, and no one took them away on purpose, open Microsoft's page once more and press Accept again.
watch-unavailable-hint = The approval does not depend on this check: if you have not pressed Accept yet, you can do so at any time.

# What a check saw of an approval for everybody.

seen-complete = seen
seen-in-part = seen in part
seen-as-far-as-visible = seen as far as Microsoft lets us see
seen-not = not seen so far
seen-requested = not seen so far; a request for it is open
seen-withdrawn = no longer seen
seen-switched-off = does not count while the app is switched off
seen-unknown = we cannot see

# Whether users may approve the app themselves.

users-may-yes = We have seen your organisation's policy: users may approve this themselves, each for their own account. Approving here covers everyone at once; what one user approved does not count for the others.
users-may-no = We have seen your organisation's policy: users cannot approve this themselves, so it takes an administrator's approval.
users-may-perhaps = Your users may be able to approve this themselves; approving here covers everyone at once.

# The heading of the next step, by its owner.

turn-nobody = You're done
turn-you = Your next step
turn-organisation = Next step: a person in your organisation
turn-operator = Next step: { $operator }
turn-app-owner = Next step: the owner of the app
turn-microsoft = Next step: wait
