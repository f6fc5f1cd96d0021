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
        _EN: "The code was checked 5 times or more within one minute.",
        _PT: "O código foi verificado 5 vezes ou mais em um minuto.",
        _ES: "El código se comprobó 5 veces o más en un minuto.",
    },
    risk.RAPID_SCANS.name: {
        _EN: "The code was checked 3 times or more within half a minute.",
        _PT: "O código foi verificado 3 vezes ou mais em meio minuto.",
        _ES: "El código se comprobó 3 veces o más en medio minuto.",
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
