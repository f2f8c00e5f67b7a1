# The mail with a link.

for-whom = { $named ->
    [yes] pour { $organisation }
   *[no] pour votre organisation
}
subject = { $operator } sollicite votre approbation { for-whom } : { $apps }
greeting = Bonjour,
asks = { $operator } sollicite votre approbation dans Microsoft 365 { for-whom }. Il s’agit de :
what-to-do = Marche à suivre :
open-privately = Ouvrez ce lien dans une fenêtre privée de votre navigateur, afin qu’aucun autre compte n’interfère :
read-our-page = Lisez-y qui demande quoi, puis cliquez sur le bouton.
sign-in = Connectez-vous à Microsoft avec un compte d’administrateur de votre organisation (le plus souvent « Administrateur général »).
accept = Lisez la liste de Microsoft et choisissez « Accepter ». Notre page vous dira ensuite si cela a fonctionné.
pass-on = Vous n’êtes pas administrateur ? Transférez ce message à la personne qui l’est.
how-to-tell = Comment vérifier que ce message est authentique :
link-begins-with = Le lien commence par :
sign-in-begins-with = Nous ne demandons jamais votre mot de passe. La connexion se fait chez Microsoft, sur une page qui commence par :
in-doubt = En cas de doute, n’ouvrez rien et demandez-nous, de préférence à un numéro que vous avez déjà. Contact :
works-until = Le lien est valable jusqu’à { $moment } (UTC), et uniquement pour votre organisation.
our-reference = Notre référence :
