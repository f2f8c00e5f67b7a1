# The words of the result pages, by outcome: a title, one or two sentences, the next step, and perhaps advice in case that does not help.
# `-unopened` is the sentence without a callback, and so without a record. No sentence begins with `{ $app }`, because an unknown app is
# "the app".

outcome-granted-title = Approved and confirmed
outcome-granted-sentence = We checked with Microsoft: your organisation has granted { $app } every permission that it needs.
outcome-granted-next = Your part is done.

outcome-granted-in-part-title = Approved in part
outcome-granted-in-part-sentence = Microsoft shows some of the permissions that { $app } needs, and does not show the others.
outcome-granted-in-part-next = If permissions are still listed as missing twenty minutes after the approval, open the link from { $operator } again and approve it once more.
outcome-granted-in-part-hint = A Global Administrator or a Privileged Role Administrator can approve every permission; other administrators' roles may not be enough for all of them.

outcome-granted-in-excess-title = Approved, with additional permissions
outcome-granted-in-excess-sentence = Every permission that { $app } needs is approved. Microsoft also shows permissions that are not on the list of { $operator }.
outcome-granted-in-excess-next = It is for { $operator } to compare the two lists. You need not do anything now.
outcome-granted-in-excess-hint = Additional permissions often come from an earlier approval of the same app.

outcome-granted-unseen-title = Approved as far as Microsoft lets us see
outcome-granted-unseen-sentence = Microsoft shows { $app } in your organisation, but does not let us see every permission that it needs.
outcome-granted-unseen-next = It is for { $operator } to confirm the permissions that we could not see. You need not do anything now.

outcome-disabled-title = The app is switched off in your organisation
outcome-disabled-sentence = Microsoft shows { $app } in your organisation, but it is switched off there: whoever signs in to it meets AADSTS7000112.
outcome-disabled-next = To switch it on: in the Microsoft Entra admin centre open Enterprise applications, choose { $app }, then Properties, and set "Enabled for users to sign in" to Yes.
outcome-disabled-hint = If it was switched off on purpose, please tell { $operator }.

outcome-pending-title = Waiting for Microsoft to show the approval
outcome-pending-sentence = Microsoft does not show an approval of { $app } yet. A delay of some minutes is common.
outcome-pending-next = You do not have to do anything while Microsoft brings its records up to date.
outcome-pending-hint = If you left Microsoft's page without pressing Accept, open the link from { $operator } again.

outcome-not-found-title = No approval can be seen
outcome-not-found-sentence = A day after the visit, Microsoft still shows no approval of { $app } in your organisation.
outcome-not-found-next = Open the link from { $operator } again, sign in as an administrator of your organisation, and press Accept on Microsoft's page.
outcome-not-found-hint = A Global Administrator or a Privileged Role Administrator can approve every permission; other administrators' roles may not be enough for all of them.

outcome-declined-title = Not approved so far
outcome-declined-sentence = Microsoft's page answered that { $app } was not approved. It gives the same answer when somebody sent a request for approval.
outcome-declined-next = If you sent a request, an administrator of your organisation decides it and you can wait. If you cancelled by mistake, open the link from { $operator } again.
outcome-declined-hint = If you meant to decline, nothing more is needed.

outcome-not-an-admin-title = An administrator is needed
outcome-not-an-admin-sentence = Microsoft did not let this account approve { $app } for the whole organisation.
outcome-not-an-admin-next = Pass the link from { $operator } on to an administrator of your organisation.
outcome-not-an-admin-hint = A Global Administrator or a Privileged Role Administrator can approve every permission; other administrators' roles may not be enough for all of them.

outcome-wrong-account-title = Another account is needed
outcome-wrong-account-sentence = The account chosen on Microsoft's page does not belong to the organisation this link was made for, or it could not sign in.
outcome-wrong-account-next = Open the link from { $operator } again and choose an administrator's account of that organisation.
outcome-wrong-account-hint = If the browser keeps choosing the same account, use a private browser window.

outcome-blocked-by-policy-title = A sign-in rule of your organisation stands in the way
outcome-blocked-by-policy-sentence = A rule of your organisation, such as Conditional Access, stopped the approval of { $app } or our check of it.
outcome-blocked-by-policy-next = Please ask whoever looks after these rules in your organisation. The details below help them to find the rule.

outcome-app-misconfigured-title = Something has to be set up first
outcome-app-misconfigured-sentence = This is not your doing: the way the link or { $app } is set up now, it cannot be approved.
outcome-app-misconfigured-next = It is for { $operator } to set this right. If you do not hear from them, please send them the details below.

outcome-unknown-title = Microsoft's answer does not tell us enough
outcome-unknown-sentence = Microsoft reported an error that does not say whether { $app } can be approved.
outcome-unknown-next = Open the link from { $operator } again in a few minutes. If this page comes back, please send { $operator } the details below.

outcome-approval-requested-title = A request for approval is open
outcome-approval-requested-sentence = Microsoft shows an open request to approve { $app } in your organisation.
outcome-approval-requested-next = A reviewer in your organisation decides it in the Microsoft Entra admin centre, under Enterprise applications, Admin consent requests.

outcome-operator-fault-title = We could not check, and the fault is ours
outcome-operator-fault-sentence = This is not your doing: our own credential, settings or request could not be used. What you did has been recorded.
outcome-operator-fault-sentence-unopened = This is not your doing: our own credential, settings or request could not be used.
outcome-operator-fault-next = It is for { $operator } to set this right. You need not do anything.

outcome-tenant-not-found-title = Microsoft does not know this organisation
outcome-tenant-not-found-sentence = This is not your doing: the link was made for an organisation that does not exist in this Microsoft cloud.
outcome-tenant-not-found-next = It is for { $operator } to send you a corrected link.

outcome-unavailable-title = We could not check yet
outcome-unavailable-sentence = What you did has been recorded. Microsoft has not answered our check of { $app } completely, so we do not know yet where it stands.
outcome-unavailable-sentence-unopened = Microsoft has not answered our check of { $app } completely, so we do not know yet where it stands.
outcome-unavailable-next = You do not have to do anything. The check can be repeated in a few minutes.

outcome-wrong-tenant-title = You were signed in with an account from another organisation
outcome-wrong-tenant-sentence = The link from { $operator } was made for one organisation, and Microsoft's answer came from a different one. We checked neither.
outcome-wrong-tenant-next = Open the link again and sign in as an administrator of the organisation it was made for. A private browser window keeps your other accounts out of it.
outcome-wrong-tenant-hint = If { $app } was approved in the wrong one, an administrator there can remove it in the Microsoft Entra admin centre under Enterprise applications.

outcome-link-expired-title = This link has reached its end date
outcome-link-expired-sentence = Links from { $operator } work for a limited time, and the time of this one is over.
outcome-link-expired-next = Please ask { $operator } for a new link: { $support }.
outcome-link-expired-hint = If you already pressed Accept on Microsoft's page, the approval may be there all the same. Please tell { $operator }.

outcome-link-damaged-title = This link cannot be read
outcome-link-damaged-sentence = Most often a mail or chat program has cut the link or added text to its end.
outcome-link-damaged-next = Open the link again from the original message, or copy it whole into the address line of your browser. Please do not retype it.
outcome-link-damaged-hint = If that does not help, or if it was not { $operator } who sent you the link, please ask { $operator }: { $support }. If you already pressed Accept on Microsoft's page, the approval may be there all the same.

outcome-link-revoked-title = This link was taken back
outcome-link-revoked-sentence = { $operator } has taken this link back, so it can no longer be used.
outcome-link-revoked-next = If you expected to use it, please ask { $operator } for a new link: { $support }.
outcome-link-revoked-hint = If you already pressed Accept on Microsoft's page, the approval may be there all the same. Please tell { $operator }.

outcome-unsolicited-title = This visit did not come from one of our links
outcome-unsolicited-sentence = This visit carries none of our links, so we cannot tell what it belongs to, and nothing was checked. This happens when an app is approved in Microsoft's portal instead of through a link.
outcome-unsolicited-next = If { $operator } sent you a link, please open that link again from the original message. If not, you do not have to do anything.

outcome-revoked-title = The approval is no longer there
outcome-revoked-sentence = Microsoft showed an approval of { $app } earlier and shows none now: it was withdrawn, or the app was removed from your organisation.
outcome-revoked-next = If that was not intended, open the link from { $operator } again and approve it once more.
outcome-revoked-hint = If it was intended, please tell { $operator }.

outcome-reduced-title = Some permissions are no longer there
outcome-reduced-sentence = Microsoft showed every permission that { $app } needs earlier, and some of them are gone now.
outcome-reduced-next = If that was not intended, open the link from { $operator } again and approve it once more.
outcome-reduced-hint = Approving an app again with a shorter list can take permissions away. If it was intended, please tell { $operator }.

outcome-enlarged-title = The app has more permissions than before
outcome-enlarged-sentence = Every permission that { $app } needs is approved. Microsoft now also shows permissions that are not on the list of { $operator }.
outcome-enlarged-next = It is for { $operator } to compare the two lists. You need not do anything now.

outcome-tenant-gone-title = The organisation is no longer there
outcome-tenant-gone-sentence = Microsoft answers that the organisation this link was made for no longer exists.
outcome-tenant-gone-next = It is for { $operator } to bring its list up to date. If this surprises you, please ask them: { $support }.

outcome-awaiting-confirmation-title = Your organisation has to be confirmed
outcome-awaiting-confirmation-sentence = The link can be used by any organisation. We check nothing until { $operator } has confirmed that yours is the one meant.
outcome-awaiting-confirmation-next = It is for { $operator } to confirm your organisation. You need not do anything now.

outcome-reported-unverified-title = Recorded, but not checked
outcome-reported-unverified-sentence = What you did has been recorded. We have no right to look in your organisation, so we cannot say whether { $app } is approved.
outcome-reported-unverified-sentence-unopened = We have no right to look in your organisation, so we cannot say whether { $app } is approved.
outcome-reported-unverified-next = It is for { $operator } to confirm the approval in another way. You need not do anything now.

# More exact words, if the cause of an outcome is known. `{ $resource }` is the service that an app needs and the organisation lacks.

switched-off-title = A service is switched off in your organisation
switched-off-sentence = { $resource }, which { $app } needs, is switched off in your organisation. Often its subscription has ended.
switched-off-next = Please check the subscription of { $resource }. To switch the service on: in the Microsoft Entra admin centre open Enterprise applications, choose { $resource }, then Properties, and set "Enabled for users to sign in" to Yes.

missing-resource-sentence = Your organisation does not have { $resource }, which { $app } needs.
missing-resource-next = Please check whether your organisation has a licence for { $resource }: a smaller one may lack it. If it has one, add the service with this command of Microsoft Graph PowerShell: New-MgServicePrincipal -AppId { $resource-id }. If not, please tell { $operator }.

check-refused-title = Recorded, and not checked yet
check-refused-sentence = What you did has been recorded. Microsoft refused our check of { $app }, so we do not know yet where it stands. You did nothing wrong.
check-refused-sentence-unopened = Microsoft refused our check of { $app }, so we do not know yet where it stands. You did nothing wrong.
check-refused-next = { $operator } needs to look at this. You don't need to do anything: the check can be repeated.

awaits-verifier-title = Waiting for Microsoft to show our reader
awaits-verifier-sentence = Microsoft does not show our reader yet, the app with which { $operator } checks { $app }. After its approval, a delay of some minutes is common.

blocked-by-microsoft-title = Microsoft did not let this through
blocked-by-microsoft-sentence = Microsoft stopped the approval of { $app } or our check of it.

check-blocked-sentence = A rule of your organisation, such as Conditional Access, does not let us check { $app }. It may be approved or not: we cannot see.
check-blocked-next = Please ask whoever looks after these rules in your organisation whether our check can be allowed. { $operator } can tell them what it needs.

other-tenant-hint = Microsoft sent you back from another organisation than the link is for. Were you signed in with another account?

# Of an app that only the worker checks: no check has run, and the page never shows the result.

confirmed-later-title = Recorded, and checked after your visit
confirmed-later-sentence = What you did has been recorded. After your visit we ask Microsoft whether { $app } is approved. { $operator } can see the answer in its records. This page does not show it.
confirmed-later-next = You need not do anything now. { $operator } will get in touch if something is left to do.
confirmed-later-hint = If you left Microsoft's page without pressing Accept, open the link from { $operator } again.

not-arranged-title = Recorded, and not checked yet
not-arranged-sentence = What you did has been recorded. This is not your doing: we could not arrange yet for Microsoft to be asked whether { $app } is approved.
not-arranged-next = Please reload this page in a minute. If it stays like this, please tell { $operator }: { $support }.

# The watch page: the approval happens in another tab, and Microsoft never redirects back from there.

watch-approve-next = Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then come back to this tab.
watch-pending-title = Approve { $app } at Microsoft
watch-pending-sentence = Microsoft does not show an approval of { $app } for your whole organisation yet. After Accept, a delay of some minutes is common.
watch-unverified-title = Approve { $app } at Microsoft: we cannot check it
watch-unverified-sentence = We have no right to look in your organisation, so this page will not show whether { $app } is approved. Nothing is counted as approved because of it.
watch-unverified-next = Open Microsoft's page in a new tab, sign in with your administrator account, read what it lists and press Accept. Then look whether { $app } is listed in the Microsoft Entra admin centre under Enterprise applications, and tell { $operator }.
watch-in-part-next = If permissions are still missing twenty minutes after Accept, and nobody took them away on purpose, open Microsoft's page once more and press Accept again.
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

users-may-yes = We have seen your organisation's policy: users may approve this themselves, each for their own account. Approving here covers everybody at once; what one user approved does not count for the others.
users-may-no = We have seen your organisation's policy: users cannot approve this themselves, so it takes an administrator's approval.
users-may-perhaps = Your users may be able to approve this themselves; approving here covers everybody at once.

# The heading of the next step, by its owner.

turn-nobody = Nothing left to do
turn-you = Your next step
turn-organisation = Next step: somebody in your organisation
turn-operator = Next step: { $operator }
turn-app-owner = Next step: the owner of the app
turn-microsoft = Next step: wait
