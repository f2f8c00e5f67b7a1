//! The languages, and every sentence in each of them. A missing sentence does not compile.

/// A language in which the mail is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) enum Locale {
    German,
    /// Also the fallback for every other language.
    #[default]
    English,
    Spanish,
    French,
    Italian,
    Dutch,
    Portuguese,
}

/// A tag with a language that we do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the languages are de, en, es, fr, it, nl and pt; a region may follow, as in de-AT")]
pub(in crate::cli) struct UnknownLanguage;

impl std::str::FromStr for Locale {
    type Err = UnknownLanguage;

    /// Reads a language tag (BCP 47). Ignores everything after the language, and accepts `de_AT` too.
    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        let language = tag.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        match language.as_str() {
            "de" => Ok(Self::German),
            "en" => Ok(Self::English),
            "es" => Ok(Self::Spanish),
            "fr" => Ok(Self::French),
            "it" => Ok(Self::Italian),
            "nl" => Ok(Self::Dutch),
            "pt" => Ok(Self::Portuguese),
            _ => Err(UnknownLanguage),
        }
    }
}

impl Locale {
    pub(super) fn for_whom(self, organisation: Option<&str>) -> String {
        let Some(name) = organisation else {
            let yours = match self {
                Self::German => "für Ihre Organisation",
                Self::English => "for your organisation",
                Self::Spanish => "para su organización",
                Self::French => "pour votre organisation",
                Self::Italian => "per la vostra organizzazione",
                Self::Dutch => "voor uw organisatie",
                Self::Portuguese => "para a sua organização",
            };
            return yours.to_owned();
        };
        match self {
            Self::German => format!("für {name}"),
            Self::English => format!("for {name}"),
            Self::Spanish | Self::Portuguese => format!("para {name}"),
            Self::French => format!("pour {name}"),
            Self::Italian => format!("per {name}"),
            Self::Dutch => format!("voor {name}"),
        }
    }

    pub(super) fn subject(self, operator: &str, apps: &str, for_whom: &str) -> String {
        match self {
            Self::German => format!("{operator} bittet um Ihre Zustimmung {for_whom}: {apps}"),
            Self::English => format!("{operator} asks for your approval {for_whom}: {apps}"),
            Self::Spanish => format!("{operator} solicita su aprobación {for_whom}: {apps}"),
            Self::French => format!("{operator} sollicite votre approbation {for_whom} : {apps}"),
            Self::Italian => format!("{operator} chiede la vostra approvazione {for_whom}: {apps}"),
            Self::Dutch => format!("{operator} vraagt om uw goedkeuring {for_whom}: {apps}"),
            Self::Portuguese => format!("{operator} pede a sua aprovação {for_whom}: {apps}"),
        }
    }

    pub(super) fn greeting(self) -> &'static str {
        match self {
            Self::German => "Guten Tag,",
            Self::English => "Hello,",
            Self::Spanish => "Buenos días:",
            Self::French => "Bonjour,",
            Self::Italian => "Buongiorno,",
            Self::Dutch => "Goedendag,",
            Self::Portuguese => "Bom dia,",
        }
    }

    pub(super) fn asks(self, operator: &str, for_whom: &str) -> String {
        match self {
            Self::German => format!("{operator} bittet um Ihre Zustimmung in Microsoft 365 {for_whom}. Es geht um:"),
            Self::English => format!("{operator} asks for your approval in Microsoft 365 {for_whom}. It is about:"),
            Self::Spanish => format!("{operator} solicita su aprobación en Microsoft 365 {for_whom}. Se trata de:"),
            Self::French => format!("{operator} sollicite votre approbation dans Microsoft 365 {for_whom}. Il s’agit de :"),
            Self::Italian => format!("{operator} chiede la vostra approvazione in Microsoft 365 {for_whom}. Si tratta di:"),
            Self::Dutch => format!("{operator} vraagt om uw goedkeuring in Microsoft 365 {for_whom}. Het gaat om:"),
            Self::Portuguese => format!("{operator} pede a sua aprovação no Microsoft 365 {for_whom}. Trata-se de:"),
        }
    }

    pub(super) fn what_to_do(self) -> &'static str {
        match self {
            Self::German => "So gehen Sie vor:",
            Self::English => "What to do:",
            Self::Spanish => "Qué hay que hacer:",
            Self::French => "Marche à suivre :",
            Self::Italian => "Come procedere:",
            Self::Dutch => "Wat u moet doen:",
            Self::Portuguese => "O que fazer:",
        }
    }

    pub(super) fn open_privately(self) -> &'static str {
        match self {
            Self::German => "Öffnen Sie diesen Link in einem privaten Fenster Ihres Browsers, damit kein anderes Konto dazwischenkommt:",
            Self::English => "Open this link in a private window of your browser, so that no other account gets in the way:",
            Self::Spanish => "Abra este enlace en una ventana privada del navegador, para que no interfiera ninguna otra cuenta:",
            Self::French => "Ouvrez ce lien dans une fenêtre privée de votre navigateur, afin qu’aucun autre compte n’interfère :",
            Self::Italian => "Aprite questo link in una finestra privata del browser, in modo che nessun altro account interferisca:",
            Self::Dutch => "Open deze link in een privévenster van uw browser, zodat geen ander account in de weg zit:",
            Self::Portuguese => "Abra este link numa janela privada do navegador, para que nenhuma outra conta interfira:",
        }
    }

    pub(super) fn read_our_page(self) -> &'static str {
        match self {
            Self::German => "Lesen Sie dort, wer worum bittet, und klicken Sie auf die Schaltfläche.",
            Self::English => "Read there who asks for what, and press the button.",
            Self::Spanish => "Lea allí quién pide qué y pulse el botón.",
            Self::French => "Lisez-y qui demande quoi, puis cliquez sur le bouton.",
            Self::Italian => "Leggete lì chi chiede che cosa e premete il pulsante.",
            Self::Dutch => "Lees daar wie wat vraagt en klik op de knop.",
            Self::Portuguese => "Leia aí quem pede o quê e prima o botão.",
        }
    }

    /// The sign-in step, with Microsoft's own role names in that language.
    pub(super) fn sign_in(self) -> &'static str {
        match self {
            Self::German => {
                "Melden Sie sich bei Microsoft mit einem Administratorkonto Ihrer Organisation an (meist „Globaler Administrator“)."
            }
            Self::English => "Sign in at Microsoft with an administrator account of your organisation (usually “Global Administrator”).",
            Self::Spanish => {
                "Inicie sesión en Microsoft con una cuenta de administrador de su organización (normalmente «Administrador global»)."
            }
            Self::French => {
                "Connectez-vous à Microsoft avec un compte d’administrateur de votre organisation (le plus souvent « Administrateur général »)."
            }
            Self::Italian => {
                "Accedete a Microsoft con un account amministratore della vostra organizzazione (di solito «Amministratore globale»)."
            }
            Self::Dutch => "Meld u bij Microsoft aan met een beheerdersaccount van uw organisatie (meestal ‘Globale beheerder’).",
            Self::Portuguese => {
                "Inicie sessão na Microsoft com uma conta de administrador da sua organização (em geral “Administrador Global”)."
            }
        }
    }

    pub(super) fn accept(self) -> &'static str {
        match self {
            Self::German => {
                "Lesen Sie die Liste von Microsoft und wählen Sie „Akzeptieren“. Danach sagt Ihnen unsere Seite, ob es geklappt hat."
            }
            Self::English => "Read Microsoft's list and choose “Accept”. Afterwards our page tells you whether it worked.",
            Self::Spanish => "Lea la lista de Microsoft y elija «Aceptar». Después, nuestra página le dirá si ha funcionado.",
            Self::French => "Lisez la liste de Microsoft et choisissez « Accepter ». Notre page vous dira ensuite si cela a fonctionné.",
            Self::Italian => "Leggete l’elenco di Microsoft e scegliete «Accetta». La nostra pagina vi dirà poi se ha funzionato.",
            Self::Dutch => "Lees de lijst van Microsoft en kies ‘Accepteren’. Daarna vertelt onze pagina u of het gelukt is.",
            Self::Portuguese => "Leia a lista da Microsoft e escolha “Aceitar”. Depois, a nossa página dirá se funcionou.",
        }
    }

    pub(super) fn pass_on(self) -> &'static str {
        match self {
            Self::German => "Sie sind nicht Administrator? Dann leiten Sie diese Nachricht bitte an die zuständige Person weiter.",
            Self::English => "You are not an administrator? Then please pass this message on to whoever is.",
            Self::Spanish => "¿No es administrador? Reenvíe este mensaje a quien lo sea.",
            Self::French => "Vous n’êtes pas administrateur ? Transférez ce message à la personne qui l’est.",
            Self::Italian => "Non siete amministratori? Inoltrate questo messaggio a chi lo è.",
            Self::Dutch => "Bent u geen beheerder? Stuur dit bericht dan door aan wie dat wel is.",
            Self::Portuguese => "Não é administrador? Reencaminhe esta mensagem a quem o seja.",
        }
    }

    pub(super) fn how_to_tell(self) -> &'static str {
        match self {
            Self::German => "Woran Sie erkennen, dass diese Nachricht echt ist:",
            Self::English => "How to tell that this message is genuine:",
            Self::Spanish => "Cómo comprobar que este mensaje es auténtico:",
            Self::French => "Comment vérifier que ce message est authentique :",
            Self::Italian => "Come verificare che questo messaggio è autentico:",
            Self::Dutch => "Hoe u ziet dat dit bericht echt is:",
            Self::Portuguese => "Como confirmar que esta mensagem é autêntica:",
        }
    }

    pub(super) fn link_begins_with(self) -> &'static str {
        match self {
            Self::German => "Der Link beginnt mit:",
            Self::English => "The link begins with:",
            Self::Spanish => "El enlace empieza por:",
            Self::French => "Le lien commence par :",
            Self::Italian => "Il link inizia con:",
            Self::Dutch => "De link begint met:",
            Self::Portuguese => "O link começa por:",
        }
    }

    pub(super) fn sign_in_begins_with(self) -> &'static str {
        match self {
            Self::German => "Wir fragen nie nach Ihrem Kennwort. Sie melden sich bei Microsoft an, auf einer Seite, die so beginnt:",
            Self::English => "We never ask for your password. You sign in at Microsoft, on a page that begins with:",
            Self::Spanish => "Nunca le pedimos la contraseña. La sesión se inicia en Microsoft, en una página que empieza por:",
            Self::French => {
                "Nous ne demandons jamais votre mot de passe. La connexion se fait chez Microsoft, sur une page qui commence par :"
            }
            Self::Italian => "Non chiediamo mai la password. L’accesso avviene presso Microsoft, in una pagina che inizia con:",
            Self::Dutch => "Wij vragen nooit om uw wachtwoord. U meldt zich aan bij Microsoft, op een pagina die begint met:",
            Self::Portuguese => "Nunca pedimos a sua palavra-passe. O início de sessão é feito na Microsoft, numa página que começa por:",
        }
    }

    pub(super) fn in_doubt(self) -> &'static str {
        match self {
            Self::German => {
                "Im Zweifel öffnen Sie nichts und fragen uns, am besten über eine Nummer, die Sie schon haben. Sie erreichen uns so:"
            }
            Self::English => "If in doubt, open nothing and ask us, best by a number that you already have. You reach us at:",
            Self::Spanish => "En caso de duda, no abra nada y pregúntenos, a ser posible en un número que ya tenga. Contacto:",
            Self::French => "En cas de doute, n’ouvrez rien et demandez-nous, de préférence à un numéro que vous avez déjà. Contact :",
            Self::Italian => "In caso di dubbio non aprite nulla e chiedete a noi, possibilmente a un numero che avete già. Contatto:",
            Self::Dutch => "Bij twijfel: open niets en vraag het ons, liefst via een nummer dat u al hebt. U bereikt ons via:",
            Self::Portuguese => "Em caso de dúvida, não abra nada e pergunte-nos, de preferência por um número que já tenha. Contacto:",
        }
    }

    pub(super) fn works_until(self, moment: &str) -> String {
        match self {
            Self::German => format!("Der Link gilt bis {moment} (UTC) und nur für Ihre Organisation."),
            Self::English => format!("The link works until {moment} (UTC), and only for your organisation."),
            Self::Spanish => format!("El enlace es válido hasta {moment} (UTC) y solo para su organización."),
            Self::French => format!("Le lien est valable jusqu’à {moment} (UTC), et uniquement pour votre organisation."),
            Self::Italian => format!("Il link vale fino a {moment} (UTC) e solo per la vostra organizzazione."),
            Self::Dutch => format!("De link werkt tot {moment} (UTC), en alleen voor uw organisatie."),
            Self::Portuguese => format!("O link é válido até {moment} (UTC), e apenas para a sua organização."),
        }
    }

    pub(super) fn our_reference(self) -> &'static str {
        match self {
            Self::German => "Unser Zeichen:",
            Self::English => "Our reference:",
            Self::Spanish => "Nuestra referencia:",
            Self::French => "Notre référence :",
            Self::Italian => "Nostro riferimento:",
            Self::Dutch => "Onze referentie:",
            Self::Portuguese => "A nossa referência:",
        }
    }
}
