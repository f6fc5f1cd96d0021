"""What people read: the verdict in a sentence and the reasons in plain words, in three languages."""

from services.scan import risk
from services.scan.language import Language
from services.scan.model import RiskFactor, Scan, Verdict

_EN, _PT, _ES = Language.ENGLISH, Language.PORTUGUESE, Language.SPANISH

_FIRST = {
    _EN: "This code is genuine, and you are the first to check it.",
    _PT: "Este código é genuíno, e você é a primeira pessoa a verificá-lo.",
    _ES: "Este código es genuino y usted es la primera persona en comprobarlo.",
}

THANKS = {
    _EN: "Thank you. The maker has your report now.",
    _PT: "Obrigado. O fabricante já está com o seu relato.",
    _ES: "Gracias. El fabricante ya tiene su aviso.",
}
"""What a person reads who reported an item."""

# A factor or two that do not make a warning are still shown; the sentence must not deny them.
_MOSTLY_USUAL = {
    _EN: "This code is genuine. Something about its checks is unusual, which by itself means little.",
    _PT: "Este código é genuíno. Algo nas suas verificações é incomum, o que por si só significa pouco.",
    _ES: "Este código es genuino. Algo en sus comprobaciones es inusual, lo que por sí solo significa poco.",
}

_VERDICTS = {
    Verdict.AUTHENTIC: {
        _EN: "This code is genuine, and nothing about its checks is unusual.",
        _PT: "Este código é genuíno, e nada nas suas verificações é incomum.",
        _ES: "Este código es genuino y nada en sus comprobaciones es inusual.",
    },
    Verdict.WARNING: {
        _EN: "This code is genuine, but the way it is being checked is unusual. Look closely at the item.",
        _PT: "Este código é genuíno, mas a forma como vem sendo verificado é incomum. Examine bem o produto.",
        _ES: "Este código es genuino, pero la forma en que se comprueba es inusual. Examine bien el producto.",
    },
    Verdict.HIGH_RISK: {
        _EN: "This code is genuine, but its checks look like those of a copied code. The item may be a counterfeit.",
        _PT: "Este código é genuíno, mas suas verificações parecem as de um código copiado. O produto pode ser falso.",
        _ES: "Este código es genuino, pero sus comprobaciones parecen las de un código copiado. "
        "El producto puede ser falso.",
    },
    Verdict.RECALLED: {
        _EN: "The maker has recalled this item. Do not use it.",
        _PT: "O fabricante recolheu este produto (recall). Não o utilize.",
        _ES: "El fabricante ha retirado este producto. No lo utilice.",
    },
    Verdict.SUSPENDED: {
        _EN: "The maker has suspended this code for now. Ask the seller or the maker before you use the item.",
        _PT: "O fabricante suspendeu este código por enquanto. Consulte a loja ou o fabricante antes de usar o "
        "produto.",
        _ES: "El fabricante ha suspendido este código por ahora. Consulte al vendedor o al fabricante antes de usar "
        "el producto.",
    },
    Verdict.BLOCKED: {
        _EN: "The maker has blocked this code. Do not buy or use the item.",
        _PT: "O fabricante bloqueou este código. Não compre nem use o produto.",
        _ES: "El fabricante ha bloqueado este código. No compre ni use el producto.",
    },
    Verdict.EXPIRED: {
        _EN: "This code is genuine, but the item is past its expiry date.",
        _PT: "Este código é genuíno, mas o produto está fora do prazo de validade.",
        _ES: "Este código es genuino, pero el producto ha pasado su fecha de caducidad.",
    },
}

_REASONS = {
    risk.HIGH_FREQUENCY.name: {
        _EN: "5 devices or more began to check the code within one minute.",
        _PT: "5 aparelhos ou mais começaram a verificar o código em um minuto.",
        _ES: "5 dispositivos o más empezaron a comprobar el código en un minuto.",
    },
    risk.RAPID_SCANS.name: {
        _EN: "3 devices or more began to check the code within half a minute.",
        _PT: "3 aparelhos ou mais começaram a verificar o código em meio minuto.",
        _ES: "3 dispositivos o más empezaron a comprobar el código en medio minuto.",
    },
    risk.UNUSUAL_REPETITION.name: {
        _EN: "The code was checked more often than one owner would check it.",
        _PT: "O código foi verificado mais vezes do que um único dono verificaria.",
        _ES: "El código se comprobó más veces de lo que lo haría un solo dueño.",
    },
    risk.SUSPICIOUS_USER_AGENT.name: {
        _EN: "This check came from a program, not from a person's browser.",
        _PT: "Esta verificação veio de um programa, não do navegador de uma pessoa.",
        _ES: "Esta comprobación vino de un programa, no del navegador de una persona.",
    },
    risk.COUNTRY_MISMATCH.name: {
        _EN: "The product is not sold in the country that this check came from.",
        _PT: "O produto não é vendido no país de onde veio esta verificação.",
        _ES: "El producto no se vende en el país desde el que llegó esta comprobación.",
    },
    risk.TOR_OR_VPN.name: {
        _EN: "This check came through a network that hides where it comes from.",
        _PT: "Esta verificação veio por uma rede que esconde a sua origem.",
        _ES: "Esta comprobación llegó por una red que oculta su origen.",
    },
    risk.HOSTING_NETWORK.name: {
        _EN: "This check came from a data centre, not from a home or a phone.",
        _PT: "Esta verificação veio de um centro de dados, não de uma casa ou de um celular.",
        _ES: "Esta comprobación llegó desde un centro de datos, no desde una casa o un teléfono.",
    },
    risk.MULTIPLE_COUNTRIES.name: {
        _EN: "The code was checked in 5 countries or more within a day.",
        _PT: "O código foi verificado em 5 países ou mais em um dia.",
        _ES: "El código se comprobó en 5 países o más en un día.",
    },
    risk.IMPOSSIBLE_TRAVEL.name: {
        _EN: "The code was checked far from here, too short a time ago to have travelled that way.",
        _PT: "O código foi verificado longe daqui, há pouco tempo demais para ter viajado essa distância.",
        _ES: "El código se comprobó lejos de aquí, hace demasiado poco tiempo para haber viajado esa distancia.",
    },
    risk.MANY_DEVICES.name: {
        _EN: "10 devices or more checked the code within a day.",
        _PT: "10 aparelhos ou mais verificaram o código em um dia.",
        _ES: "10 dispositivos o más comprobaron el código en un día.",
    },
    risk.SCANNED_AFTER_SALE.name: {
        _EN: "The item was sold, and several devices still check its code.",
        _PT: "O produto já foi vendido, e vários aparelhos ainda verificam o seu código.",
        _ES: "El producto ya se vendió y varios dispositivos siguen comprobando su código.",
    },
    risk.SCANNED_AFTER_RECALL.name: {
        _EN: "The item was recalled, and is still in circulation.",
        _PT: "O produto foi recolhido e ainda está em circulação.",
        _ES: "El producto fue retirado y sigue en circulación.",
    },
}


def message_of(scan: Scan, language: Language) -> str:
    """Return the verdict in one plain sentence or two."""
    if scan.event.verdict is Verdict.AUTHENTIC:
        if scan.is_first:
            return _FIRST[language]
        if scan.event.risk_factors:
            return _MOSTLY_USUAL[language]
    return _VERDICTS[scan.event.verdict][language]


def reason_of(factor: RiskFactor, language: Language) -> str:
    """Return why a factor raised the score."""
    return _REASONS[factor.name][language]
