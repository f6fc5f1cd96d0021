"""The page's words, in three languages. A new language is one more entry of `TEXTS`."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.scan.language import Language
from services.scan.page.states import PageState as State


@dataclass(frozen=True, slots=True)
class Texts:
    """All words of one language. `months` are abbreviations, January first."""

    titles: Mapping[State, str]
    messages: Mapping[State, str]
    advice: Mapping[State, tuple[str, ...]]
    product: str
    lot: str
    serial: str
    gtin: str
    manufactured: str
    expires: str
    history: str
    checks: str
    recent: str
    first_check: str
    reasons: str
    what_to_do: str
    proof: str
    proof_text: str
    proof_link: str
    incomplete: str
    number: str
    privacy: str
    sandbox: str
    report: str
    report_reasons: Mapping[str, str]
    report_question: str
    report_details: str
    report_privacy: str
    report_send: str
    share: str
    months: tuple[str, ...]
    day: str


_EN = Texts(
    titles={
        State.AUTHENTIC: "Genuine code",
        State.WARNING: "Genuine code, unusual checks",
        State.HIGH_RISK: "This may be a copy",
        State.RECALLED: "Recalled by the maker",
        State.SUSPENDED: "Suspended for now",
        State.BLOCKED: "Blocked by the maker",
        State.EXPIRED: "Past its expiry date",
        State.UNKNOWN: "We do not know this code",
        State.MALFORMED: "This code cannot be read",
        State.RATE_LIMITED: "Too many checks from here",
        State.DOWN: "We cannot check right now",
        State.REPORTED: "Thank you for your report",
        State.REPORT_INCOMPLETE: "The report is not complete",
    },
    messages={
        State.UNKNOWN: "No maker had this code issued here. The item that carries it may be a counterfeit.",
        State.MALFORMED: "Part of the code is missing or wrong. That says nothing about the item.",
        State.RATE_LIMITED: "So many checks came from your connection that we pause. That says nothing about the item.",
        State.DOWN: "The check did not go through. That says nothing about the item.",
        State.REPORTED: "It is with the maker now.",
        State.REPORT_INCOMPLETE: "It was not sent.",
    },
    advice={
        State.AUTHENTIC: (
            "The code comes from the maker. A code can be copied, though: compare the product, lot and serial number "
            "here with what is printed on the item.",
        ),
        State.WARNING: (
            "Compare the product, lot and serial number here with what is printed on the item.",
            "If anything differs, do not use the item, and ask the seller or the maker.",
        ),
        State.HIGH_RISK: (
            "Do not rely on this code alone: copies of it may be in circulation.",
            "Compare the product, lot and serial number with the item, and ask the maker before you use it.",
        ),
        State.RECALLED: (
            "Stop using the item and keep it apart.",
            "Take it back to where you bought it, or ask the maker what to do.",
        ),
        State.SUSPENDED: ("Keep the item unused until the seller or the maker says that all is well.",),
        State.BLOCKED: ("Do not buy, use or pass on the item.", "Tell the seller or the maker where you found it."),
        State.EXPIRED: ("Do not use the item if its date matters for safety, as with medicine or food.",),
        State.UNKNOWN: (
            "Check that you scanned the maker's own label and not another code.",
            "If you did, do not use the item, and ask the seller where it comes from.",
        ),
        State.MALFORMED: (
            "Wipe the label, hold the camera steady and scan again.",
            "If you typed the code: it has 20 characters, and capital letters matter.",
        ),
        State.RATE_LIMITED: ("Please try again in a minute.",),
        State.DOWN: ("Please try again in a minute.",),
        State.REPORTED: ("Keep the item, its packaging and the receipt: the maker may want to see them.",),
        State.REPORT_INCOMPLETE: ("Go back and choose what is wrong.",),
    },
    product="Product",
    lot="Lot",
    serial="Serial number",
    gtin="GTIN",
    manufactured="Made",
    expires="Use by",
    history="Checks of this code",
    checks="In all",
    recent="In the last minute",
    first_check="First check",
    reasons="What is unusual",
    what_to_do="What you can do",
    proof="Proof",
    proof_text="The maker's record of this unit can be checked without trusting us. The proof is a small file for "
    "experts and their tools.",
    proof_link="Download the proof",
    incomplete="Part of our records is out of reach right now, so recent checks may be missing here.",
    number="Check number",
    privacy="We keep no address and no name from this check, only a mark that changes every day.",
    sandbox="Trial code: it was made to try things out and belongs on no item for sale.",
    report="Report a problem",
    report_reasons={
        "counterfeit": "It looks like a counterfeit",
        "damaged": "The label is damaged or was tampered with",
        "mismatch": "It is not the product shown here",
        "stolen": "It was stolen",
        "other": "Something else",
    },
    report_question="What is wrong?",
    report_details="What did you see? (optional)",
    report_privacy="Please write no names and no numbers of people. Only the maker and we read it.",
    report_send="Send the report",
    share="Share",
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    day="{day} {month} {year}",
)

_PT = Texts(
    titles={
        State.AUTHENTIC: "Código genuíno",
        State.WARNING: "Código genuíno, verificações incomuns",
        State.HIGH_RISK: "Pode ser uma cópia",
        State.RECALLED: "Recolhido pelo fabricante",
        State.SUSPENDED: "Suspenso por enquanto",
        State.BLOCKED: "Bloqueado pelo fabricante",
        State.EXPIRED: "Fora do prazo de validade",
        State.UNKNOWN: "Não conhecemos este código",
        State.MALFORMED: "Não foi possível ler o código",
        State.RATE_LIMITED: "Verificações demais por aqui",
        State.DOWN: "Não conseguimos verificar agora",
        State.REPORTED: "Obrigado pelo seu relato",
        State.REPORT_INCOMPLETE: "O relato não está completo",
    },
    messages={
        State.UNKNOWN: "Nenhum fabricante emitiu este código aqui. O produto que o traz pode ser falso.",
        State.MALFORMED: "Falta uma parte do código ou ela está errada. Isso não diz nada sobre o produto.",
        State.RATE_LIMITED: "Vieram verificações demais da sua conexão. Isso não diz nada sobre o produto.",
        State.DOWN: "A verificação não foi concluída. Isso não diz nada sobre o produto.",
        State.REPORTED: "Ele já está com o fabricante.",
        State.REPORT_INCOMPLETE: "Ele não foi enviado.",
    },
    advice={
        State.AUTHENTIC: (
            "O código vem do fabricante. Mas um código pode ser copiado: compare o produto, o lote e o número de série "
            "daqui com o que está impresso no item.",
        ),
        State.WARNING: (
            "Compare o produto, o lote e o número de série daqui com o que está impresso no item.",
            "Se algo for diferente, não use o produto e consulte a loja ou o fabricante.",
        ),
        State.HIGH_RISK: (
            "Não confie só neste código: pode haver cópias dele em circulação.",
            "Compare o produto, o lote e o número de série com o item e consulte o fabricante antes de usá-lo.",
        ),
        State.RECALLED: (
            "Pare de usar o produto e guarde-o separado.",
            "Devolva-o onde comprou ou pergunte ao fabricante o que fazer.",
        ),
        State.SUSPENDED: ("Guarde o produto sem usar até a loja ou o fabricante dizer que está tudo bem.",),
        State.BLOCKED: (
            "Não compre, não use e não repasse o produto.",
            "Conte à loja ou ao fabricante onde você o encontrou.",
        ),
        State.EXPIRED: ("Não use o produto se a validade for questão de segurança, como em remédios e alimentos.",),
        State.UNKNOWN: (
            "Confira se você leu a etiqueta do próprio fabricante e não outro código.",
            "Se leu, não use o produto e pergunte à loja de onde ele vem.",
        ),
        State.MALFORMED: (
            "Limpe a etiqueta, segure a câmera com firmeza e leia de novo.",
            "Se você digitou o código: ele tem 20 caracteres, e letras maiúsculas fazem diferença.",
        ),
        State.RATE_LIMITED: ("Tente de novo em um minuto.",),
        State.DOWN: ("Tente de novo em um minuto.",),
        State.REPORTED: ("Guarde o produto, a embalagem e a nota fiscal: o fabricante pode querer vê-los.",),
        State.REPORT_INCOMPLETE: ("Volte e escolha o que está errado.",),
    },
    product="Produto",
    lot="Lote",
    serial="Número de série",
    gtin="GTIN",
    manufactured="Fabricação",
    expires="Validade",
    history="Verificações deste código",
    checks="No total",
    recent="No último minuto",
    first_check="Primeira verificação",
    reasons="O que há de incomum",
    what_to_do="O que você pode fazer",
    proof="Prova",
    proof_text="O registro do fabricante sobre esta unidade pode ser conferido sem confiar em nós. A prova é um "
    "pequeno arquivo para especialistas e suas ferramentas.",
    proof_link="Baixar a prova",
    incomplete="Parte dos nossos registros está fora de alcance agora; verificações recentes podem não aparecer aqui.",
    number="Número da verificação",
    privacy="Não guardamos endereço nem nome desta verificação, apenas uma marca que muda todos os dias.",
    sandbox="Código de teste: foi feito para experimentar e não pertence a nenhum produto à venda.",
    report="Relatar um problema",
    report_reasons={
        "counterfeit": "Parece falsificado",
        "damaged": "A etiqueta está danificada ou foi violada",
        "mismatch": "Não é o produto mostrado aqui",
        "stolen": "Foi roubado",
        "other": "Outra coisa",
    },
    report_question="O que está errado?",
    report_details="O que você viu? (opcional)",
    report_privacy="Não escreva nomes nem números de pessoas. Só o fabricante e nós lemos.",
    report_send="Enviar o relato",
    share="Compartilhar",
    months=("jan.", "fev.", "mar.", "abr.", "maio", "jun.", "jul.", "ago.", "set.", "out.", "nov.", "dez."),
    day="{day} {month} {year}",
)

_ES = Texts(
    titles={
        State.AUTHENTIC: "Código genuino",
        State.WARNING: "Código genuino, comprobaciones inusuales",
        State.HIGH_RISK: "Puede ser una copia",
        State.RECALLED: "Retirado por el fabricante",
        State.SUSPENDED: "Suspendido por ahora",
        State.BLOCKED: "Bloqueado por el fabricante",
        State.EXPIRED: "Pasada su fecha de caducidad",
        State.UNKNOWN: "No conocemos este código",
        State.MALFORMED: "No se puede leer el código",
        State.RATE_LIMITED: "Demasiadas comprobaciones desde aquí",
        State.DOWN: "Ahora no podemos comprobarlo",
        State.REPORTED: "Gracias por su aviso",
        State.REPORT_INCOMPLETE: "El aviso no está completo",
    },
    messages={
        State.UNKNOWN: "Ningún fabricante emitió este código aquí. El producto que lo lleva puede ser falso.",
        State.MALFORMED: "Falta una parte del código o es incorrecta. Eso no dice nada sobre el producto.",
        State.RATE_LIMITED: "Llegaron demasiadas comprobaciones desde su conexión. Eso no dice nada sobre el producto.",
        State.DOWN: "La comprobación no se completó. Eso no dice nada sobre el producto.",
        State.REPORTED: "Ya lo tiene el fabricante.",
        State.REPORT_INCOMPLETE: "No se envió.",
    },
    advice={
        State.AUTHENTIC: (
            "El código viene del fabricante. Pero un código se puede copiar: compare el producto, el lote y el número "
            "de serie de aquí con lo impreso en el artículo.",
        ),
        State.WARNING: (
            "Compare el producto, el lote y el número de serie de aquí con lo impreso en el artículo.",
            "Si algo es distinto, no use el producto y consulte al vendedor o al fabricante.",
        ),
        State.HIGH_RISK: (
            "No confíe solo en este código: puede haber copias en circulación.",
            "Compare el producto, el lote y el número de serie con el artículo y consulte al fabricante antes de "
            "usarlo.",
        ),
        State.RECALLED: (
            "Deje de usar el producto y guárdelo aparte.",
            "Devuélvalo donde lo compró o pregunte al fabricante qué hacer.",
        ),
        State.SUSPENDED: (
            "Guarde el producto sin usar hasta que el vendedor o el fabricante diga que todo está bien.",
        ),
        State.BLOCKED: (
            "No compre, no use y no entregue el producto a otros.",
            "Cuente al vendedor o al fabricante dónde lo encontró.",
        ),
        State.EXPIRED: ("No use el producto si la fecha importa para la seguridad, como en medicinas y alimentos.",),
        State.UNKNOWN: (
            "Compruebe que leyó la etiqueta del propio fabricante y no otro código.",
            "Si es así, no use el producto y pregunte al vendedor de dónde viene.",
        ),
        State.MALFORMED: (
            "Limpie la etiqueta, sujete la cámara con firmeza y lea de nuevo.",
            "Si escribió el código: tiene 20 caracteres y las mayúsculas importan.",
        ),
        State.RATE_LIMITED: ("Inténtelo de nuevo en un minuto.",),
        State.DOWN: ("Inténtelo de nuevo en un minuto.",),
        State.REPORTED: ("Conserve el producto, el embalaje y el recibo: el fabricante puede querer verlos.",),
        State.REPORT_INCOMPLETE: ("Vuelva y elija qué está mal.",),
    },
    product="Producto",
    lot="Lote",
    serial="Número de serie",
    gtin="GTIN",
    manufactured="Fabricación",
    expires="Caducidad",
    history="Comprobaciones de este código",
    checks="En total",
    recent="En el último minuto",
    first_check="Primera comprobación",
    reasons="Qué es inusual",
    what_to_do="Qué puede hacer",
    proof="Prueba",
    proof_text="El registro del fabricante sobre esta unidad se puede comprobar sin confiar en nosotros. La prueba es "
    "un pequeño archivo para expertos y sus herramientas.",
    proof_link="Descargar la prueba",
    incomplete="Parte de nuestros registros no está al alcance ahora; pueden faltar comprobaciones recientes.",
    number="Número de comprobación",
    privacy="No guardamos dirección ni nombre de esta comprobación, solo una marca que cambia cada día.",
    sandbox="Código de prueba: se hizo para ensayar y no pertenece a ningún producto en venta.",
    report="Avisar de un problema",
    report_reasons={
        "counterfeit": "Parece una falsificación",
        "damaged": "La etiqueta está dañada o fue manipulada",
        "mismatch": "No es el producto que se muestra aquí",
        "stolen": "Fue robado",
        "other": "Otra cosa",
    },
    report_question="¿Qué está mal?",
    report_details="¿Qué vio? (opcional)",
    report_privacy="No escriba nombres ni números de personas. Solo el fabricante y nosotros lo leemos.",
    report_send="Enviar el aviso",
    share="Compartir",
    months=("ene.", "feb.", "mar.", "abr.", "may.", "jun.", "jul.", "ago.", "sept.", "oct.", "nov.", "dic."),
    day="{day} {month} {year}",
)

TEXTS = {Language.ENGLISH: _EN, Language.PORTUGUESE: _PT, Language.SPANISH: _ES}
